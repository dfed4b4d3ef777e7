package dump

import (
	"context"
	"slices"
	"strings"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Differences say what replacing would do, for each part that was asked for.
type Differences struct {
	Permissions *Difference `json:"permissions,omitempty"   nullable:"false" doc:"By their keys."`
	Roles       *Difference `json:"roles,omitempty"         nullable:"false" doc:"By their names; of changed ones the present name."`
	Hierarchy   *Difference `json:"hierarchy,omitempty"     nullable:"false" doc:"Nodes by their slug paths, of changed ones the present path; hierarchy_schema for model and schema."`
	Clients     *Difference `json:"oauth_clients,omitempty" nullable:"false" doc:"Always empty."`
	Webhooks    *Difference `json:"webhooks,omitempty"      nullable:"false" doc:"Always empty."`
}

// Difference is that of one part. Its lists are cut.
type Difference struct {
	OnlyFrom []string  `json:"only_from" doc:"What would be created, at most 200." maxItems:"200"`
	OnlyTo   []string  `json:"only_to"   doc:"What would be removed, at most 200." maxItems:"200"`
	Changed  []Changed `json:"changed"   doc:"What would be overwritten, at most 200." maxItems:"200"`
	Same     int       `json:"same"      doc:"How many would be left as they are." example:"12"`
}

// Changed is something that would be overwritten.
type Changed struct {
	Key    string   `json:"key"    doc:"What it is called now." example:"lease.approve" maxLength:"1100"`
	Fields []string `json:"fields" doc:"In which fields it differs." maxItems:"10"`
}

// mostListed is where the lists are cut.
const mostListed = 200

func newDifference(same int) *Difference {
	return &Difference{OnlyFrom: []string{}, OnlyTo: []string{}, Changed: []Changed{}, Same: same}
}

func (d *Difference) from(key string) { d.OnlyFrom = listed(d.OnlyFrom, key) }
func (d *Difference) to(key string)   { d.OnlyTo = listed(d.OnlyTo, key) }

func (d *Difference) changed(key string, fields []string) {
	d.Changed = listed(d.Changed, Changed{key, fields})
}

// listed adds to a list that is cut.
func listed[T any](list []T, one T) []T {
	if len(list) < mostListed {
		list = append(list, one)
	}
	return list
}

// difference tells what the plan would do.
func (p *plan) difference(ctx context.Context, e environment.Environment, from source) (*Differences, error) {
	all := &Differences{}
	if q := p.permissions; q != nil {
		all.Permissions = q.difference()
	}
	if q := p.roles; q != nil {
		all.Roles = q.difference()
	}
	if p.of.has(Clients) {
		all.Clients = newDifference(0)
	}
	if p.of.has(Webhooks) {
		all.Webhooks = newDifference(0)
	}
	if p.tree == nil {
		return all, nil
	}
	var err error
	all.Hierarchy, err = p.treeDifference(ctx, e, from)
	return all, err
}

func (q *permissionPlan) difference() *Difference {
	d := newDifference(q.same)
	for i, w := range q.wanted {
		switch q.fates[i] {
		case made:
			d.from(w.Key)
		case changed:
			d.changed(w.Key, permissionFields(w, q.before[w.Key]))
		case same:
		}
	}
	for _, o := range q.gone {
		d.to(o.Key)
	}
	return d
}

func (q *rolePlan) difference() *Difference {
	d := newDifference(q.same)
	for i, w := range q.wanted {
		switch q.fates[i] {
		case made:
			d.from(w.Name)
		case changed:
			o := q.before[q.match[i]]
			d.changed(o.Name, roleFields(w, o))
		case same:
		}
	}
	for _, o := range q.gone {
		d.to(o.Name)
	}
	return d
}

// schemaKey stands for model and schema among the nodes: no slug holds such a letter.
const schemaKey = "hierarchy_schema"

func (p *plan) treeDifference(ctx context.Context, e environment.Environment, from source) (*Difference, error) {
	t := p.tree
	d := newDifference(t.same)
	if fields := t.schemaFields(e); len(fields) > 0 {
		d.changed(schemaKey, fields)
	}
	var creates, changes []int32
	for _, i := range t.order {
		switch t.fates[i] {
		case made:
			creates = listed(creates, i)
		case changed:
			changes = listed(changes, i)
		case same:
		}
	}
	changes = changes[:min(len(changes), mostListed-len(d.Changed))]
	said, err := t.look(ctx, from, creates, changes)
	if err != nil {
		return nil, err
	}
	for _, i := range creates {
		d.from(t.path(i, said.slugs))
	}
	if err := p.changedNodes(ctx, d, changes, said.nodes); err != nil {
		return nil, err
	}
	gone := t.removed()
	gone = gone[:min(len(gone), mostListed)]
	paths, err := hierarchy.Paths(ctx, p.tx, p.in, gone)
	for _, of := range gone {
		d.to(paths[of])
	}
	slices.Sort(d.OnlyFrom)
	slices.Sort(d.OnlyTo)
	return d, err
}

// changedNodes tells in which fields nodes differ.
func (p *plan) changedNodes(ctx context.Context, d *Difference, list []int32, said map[int32]hierarchy.Node) error {
	t := p.tree
	ids := make([]hierarchy.ID, len(list))
	for k, i := range list {
		ids[k] = t.tgt.all[t.match[i]].id
	}
	paths, err := hierarchy.Paths(ctx, p.tx, p.in, ids)
	if err != nil {
		return err
	}
	some, err := hierarchy.Some(ctx, p.tx, p.in, ids)
	if err != nil {
		return err
	}
	before := make(map[hierarchy.ID]hierarchy.Node, len(some))
	for _, o := range some {
		before[o.ID] = o
	}
	for k, i := range list {
		a, b := said[i], before[ids[k]]
		d.changed(paths[ids[k]], differing(
			field{"parent_node_id", !t.moves(&t.src.all[i], &t.tgt.all[t.match[i]])},
			field{"node_type", a.Type == b.Type}, field{"name", a.Name == b.Name},
			field{"description", equal(a.Description, b.Description)}, field{"slug", a.Slug == b.Slug},
			field{"status", a.Status == b.Status}, field{"metadata", string(a.Metadata) == string(b.Metadata)},
		))
	}
	return nil
}

// schemaFields are those in which model and schema differ.
func (t *treePlan) schemaFields(e environment.Environment) []string {
	fields := differing(field{"access_model", !t.modelChanges})
	if !t.schemaChanges {
		return fields
	}
	if t.schema == nil || e.Schema == nil {
		return append(fields, schemaKey)
	}
	a, b := *t.schema, *e.Schema
	types := func(s environment.Schema) string { return strings.Join(slices.Sorted(slices.Values(s.NodeTypes)), " ") }
	// The rest of a schema, with only what is compared.
	only := func(s environment.Schema) environment.Schema {
		return environment.Schema{NodeTypes: []string{}, AllowedChildren: s.AllowedChildren}
	}
	aOnly, bOnly := only(a), only(b)
	return append(fields, differing(
		field{"node_types", types(a) == types(b)}, field{"allowed_children", hierarchy.SameSchema(&aOnly, bOnly)},
		field{"max_depth", a.MaxDepth == b.MaxDepth}, field{"root_node_type", a.RootNodeType == b.RootNodeType},
	)...)
}

// said is what a source says of some nodes: the slugs of those on the way to some, and all
// of others.
type said struct {
	slugs map[int32]string
	nodes map[int32]hierarchy.Node
}

// look reads the source once more.
func (t *treePlan) look(ctx context.Context, from source, paths, nodes []int32) (said, error) {
	s := said{map[int32]string{}, map[int32]hierarchy.Node{}}
	for _, i := range paths {
		for at := i; at >= 0; at = t.src.all[at].parent {
			s.slugs[at] = ""
		}
	}
	for _, i := range nodes {
		s.nodes[i] = hierarchy.Node{}
	}
	if len(s.slugs)+len(s.nodes) == 0 {
		return s, nil
	}
	return s, from.nodes(ctx, func(n hierarchy.Node) error {
		i := t.src.find(n.ID)
		if _, wanted := s.slugs[i]; wanted {
			s.slugs[i] = n.Slug
		}
		if _, wanted := s.nodes[i]; wanted {
			s.nodes[i] = n
		}
		return nil
	})
}

// path is the slug path of a node of the source.
func (t *treePlan) path(i int32, slugs map[int32]string) string {
	var way []string
	for at := i; at >= 0; at = t.src.all[at].parent {
		way = append(way, slugs[at])
	}
	slices.Reverse(way)
	return strings.Join(way, "/")
}
