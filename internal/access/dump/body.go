package dump

import (
	"context"
	"errors"
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/tenant/environment"
)

// The version of the format that is written and read.
const formatVersion = 1

// body is a dump that came as one. Its lists are read where they stand.
type body struct {
	of     head
	schema *hierarchy.Schema // as it came
	lists  [3]jsontext.Value // permissions, roles, nodes
}

// What a dump has, and what is in it.
var (
	wholeForm = form{
		{name: "format_version", kind: '0', required: true},
		{name: "source_env", kind: '{', required: true},
		{name: "access_model", kind: '"', required: true},
		{name: "hierarchy_schema", kind: '{', required: true},
		{name: "permissions", kind: '[', required: true},
		{name: "roles", kind: '[', required: true},
		{name: "nodes", kind: '[', required: true},
		{name: "oauth_clients", kind: '[', required: true},
		{name: "webhooks", kind: '[', required: true},
		{name: "metadata", kind: '{'},
	}
	sourceForm = form{
		{name: "id", kind: '"', required: true},
		{name: "name", kind: '"', required: true},
		{name: "slug", kind: '"', required: true},
		{name: "application_slug", kind: '"', required: true},
		{name: "exported_at", kind: '"', required: true},
	}
	schemaForm = form{
		{name: "node_types", kind: '[', required: true},
		{name: "allowed_children", kind: '{', required: true},
		{name: "max_depth", kind: '0', required: true},
		{name: "root_node_type", kind: '"', required: true},
	}
	permissionForm = form{
		{name: "key", kind: '"', required: true},
		{name: "name", kind: '"', required: true},
		{name: "category", kind: '"', required: true},
		{name: "description", kind: '"', null: true},
	}
	roleForm = form{
		{name: "ref", kind: '"'},
		{name: "name", kind: '"', required: true},
		{name: "description", kind: '"', null: true},
		{name: "is_active", kind: 't'},
		{name: "permission_keys", kind: '[', required: true},
	}
	nodeForm = form{
		{name: "id", kind: '"', required: true},
		{name: "ref", kind: '"'},
		{name: "parent_node_id", kind: '"', required: true, null: true},
		{name: "node_type", kind: '"', required: true},
		{name: "name", kind: '"', required: true},
		{name: "description", kind: '"', null: true},
		{name: "slug", kind: '"', required: true},
		{name: "status", kind: '"'},
		{name: "metadata", kind: '{'},
	}
)

// read reads what a dump says but for its lists, of which those of other parts are not
// looked at. Faults: environments.import_unsupported, validation, and
// environments.import_invalid for clients and webhooks.
func read(raw []byte, of parts) (*body, error) {
	r, v := newReader(raw), make([]jsontext.Value, len(wholeForm))
	if err := r.object(wholeForm, v, whole); err != nil {
		return nil, broken(err)
	}
	if _, err := r.dec.ReadToken(); !errors.Is(err, io.EOF) {
		r.note("body", "must be one object")
	}
	if v[0] != nil {
		// A dump of another format may have other members: that they are strange says less.
		version, err := strconv.Atoi(string(v[0]))
		switch {
		case err != nil:
			r.note("format_version", kinds['0'])
		case version != formatVersion:
			return nil, ErrUnsupported
		}
	}
	b := &body{lists: [3]jsontext.Value(v[4:7])}
	if err := b.readHead(r, v, of); err != nil {
		return nil, broken(err)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	var f findings
	for i, part := range []Part{Clients, Webhooks} {
		if of.has(part) && holdsSome(v[7+i]) {
			f.add("%s must be empty: this version keeps none", part)
		}
	}
	return b, f.err()
}

// holdsSome reports whether a list is not empty.
func holdsSome(list jsontext.Value) bool {
	d := newReader(list).dec
	_, err := d.ReadToken()
	return err == nil && d.PeekKind() != ']'
}

func (b *body) head() head { return b.of }

// readHead reads what is no list.
func (b *body) readHead(r *reader, v []jsontext.Value, of parts) error {
	if err := within(r, v[1], sourceAt, sourceForm, func(r *reader, s []jsontext.Value) {
		texts := [5]string{}
		for i := range texts {
			texts[i] = r.text(s[i], sourceAt, sourceForm[i].name)
		}
		b.of.from = Source{texts[0], texts[1], texts[2], texts[3], texts[4]}
		r.held(&b.of.from, sourceAt)
	}); err != nil {
		return err
	}
	if v[9] != nil {
		kept, err := text.CompactObject(v[9])
		if err != nil {
			return err
		}
		b.of.metadata = kept
		r.held(&callersOwn{v[9]}, whole)
		r.free(v[9], whole, "metadata")
	}
	if !of.has(Hierarchy) {
		return nil
	}
	if v[2] != nil {
		b.of.model = environment.Model(r.text(v[2], whole, "access_model"))
		if b.of.model != environment.Flat && b.of.model != environment.Hierarchy {
			r.note("access_model", "must be flat or hierarchy")
		}
	}
	if empty(v[3]) {
		return nil
	}
	return within(r, v[3], schemaAt, schemaForm, func(r *reader, _ []jsontext.Value) {
		b.schema = &hierarchy.Schema{}
		if err := json.Unmarshal(v[3], b.schema); err != nil {
			r.note("hierarchy_schema", "is not valid")
			return
		}
		r.held(b.schema, schemaAt)
		r.free(v[3], whole, "hierarchy_schema")
	})
}

// The beginnings of the names of members.
func whole() string    { return "" }
func sourceAt() string { return "source_env." }
func schemaAt() string { return "hierarchy_schema." }

// callersOwn is the metadata of an import.
type callersOwn struct{ metadata jsontext.Value }

// Rules implements text.Ruled.
func (c *callersOwn) Rules(f *text.Fields) { f.Object("metadata", c.metadata) }

// Rules implements text.Ruled.
func (s *Source) Rules(f *text.Fields) {
	_, err := id.Parse[id.ID](s.ID)
	f.Check("id", err == nil, "must be an id")
	f.Field("name", &s.Name, text.NameRule)
	f.Field("slug", &s.Slug, text.SlugRule)
	f.Field("application_slug", &s.ApplicationSlug, text.SlugRule)
	f.Field("exported_at", &s.ExportedAt, text.InstantRule)
}

func empty(object jsontext.Value) bool {
	if object == nil {
		return false
	}
	d := newReader(object).dec
	_, err := d.ReadToken()
	return err == nil && d.PeekKind() == '}'
}

// within reads an object inside the body; good is called when it has the right form.
func within(
	r *reader, raw jsontext.Value, at func() string, f form, good func(r *reader, values []jsontext.Value),
) error {
	if raw == nil {
		return nil
	}
	inner, values := newReader(raw), make([]jsontext.Value, len(f))
	err := inner.object(f, values, at)
	if err == nil && inner.noted == 0 {
		good(inner, values)
	}
	for _, p := range inner.problems {
		if len(r.problems) < maxProblems {
			r.problems = append(r.problems, p)
		}
	}
	return err
}

// each reads a list of the body; one makes of an element, whose members have the right
// types, what it is. What breaks a rule is validation, and the rest is read all the same.
func each(
	ctx context.Context, raw jsontext.Value, name string, f form,
	one func(r *reader, v []jsontext.Value, at func() string) error,
) error {
	r, values := newReader(raw), make([]jsontext.Value, len(f))
	if _, err := r.dec.ReadToken(); err != nil {
		return broken(err)
	}
	for i := 0; r.dec.PeekKind() != ']'; i++ {
		at := element(name, i)
		r.begun = r.noted
		if err := r.object(f, values, at); err != nil {
			return broken(err)
		}
		if i%1000 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if r.noted > r.begun {
			continue
		}
		if err := one(r, values, at); err != nil {
			return err
		}
	}
	if _, err := r.dec.ReadToken(); err != nil {
		return broken(err)
	}
	return r.err()
}

func (b *body) permissions(ctx context.Context, fn func(rbac.Permission) error) error {
	one := func(r *reader, v []jsontext.Value, at func() string) error {
		d := rbac.DumpedPermission{
			Key: r.text(v[0], at, "key"), Name: r.text(v[1], at, "name"), Category: r.text(v[2], at, "category"),
			Description: r.clearable(v[3], at, "description"),
		}
		if !r.good(&d, at) {
			return nil
		}
		return fn(rbac.Permission{Key: d.Key, Name: d.Name, Category: d.Category, Description: d.Description.Value})
	}
	return each(ctx, b.lists[0], "permissions", permissionForm, one)
}

func (b *body) roles(ctx context.Context, fn func(rbac.Role, []string) error) error {
	return each(ctx, b.lists[1], "roles", roleForm, func(r *reader, v []jsontext.Value, at func() string) error {
		d := rbac.DumpedRole{Name: r.text(v[1], at, "name"), Description: r.clearable(v[2], at, "description")}
		if json.Unmarshal(v[4], &d.PermissionKeys) != nil {
			r.note(at()+"permission_keys", "must be an array of strings")
			return nil //nolint:nilerr // noted as a problem of the dump
		}
		r.free(v[4], at, "permission_keys")
		if !r.good(&d, at) {
			return nil
		}
		role := rbac.Role{
			Ref: ref[rbac.RoleID](r.text(v[0], at, "ref")), Name: d.Name, Description: d.Description.Value,
			Active: v[3] == nil || v[3].Kind() == 't',
		}
		return fn(role, d.PermissionKeys)
	})
}

func (b *body) nodes(ctx context.Context, fn func(hierarchy.Node) error) error {
	return each(ctx, b.lists[2], "nodes", nodeForm, func(r *reader, v []jsontext.Value, at func() string) error {
		d := hierarchy.DumpedNode{
			Type: r.text(v[3], at, "node_type"), Name: r.text(v[4], at, "name"), Slug: r.text(v[6], at, "slug"),
			Description: r.clearable(v[5], at, "description"), Metadata: v[8],
		}
		status := hierarchy.Active
		if v[7] != nil {
			status = hierarchy.Status(r.text(v[7], at, "status"))
		}
		d.Status = &status
		r.free(v[8], at, "metadata")
		of := ref[hierarchy.ID](r.text(v[0], at, "id"))
		if of.IsZero() {
			r.note(at()+"id", "must be an id")
			return nil
		}
		if !r.good(&d, at) {
			return nil
		}
		n := hierarchy.Node{
			ID: of, Ref: ref[hierarchy.ID](r.text(v[1], at, "ref")), Type: d.Type, Name: d.Name, Slug: d.Slug,
			Description: d.Description.Value, Status: status, Metadata: jsontext.Value("{}"),
		}
		if v[2] != nil {
			// What is no id names nothing.
			if n.Parent = ref[hierarchy.ID](r.text(v[2], at, "parent_node_id")); n.Parent.IsZero() {
				n.Parent = nowhere
			}
		}
		if v[8] != nil {
			kept, err := text.CompactObject(v[8])
			if err != nil {
				return err
			}
			n.Metadata = kept
		}
		return fn(n)
	})
}

// nowhere is the id of no node.
var nowhere = hierarchy.ID{0xff}

// ref is what a ref names, zero for one that can name nothing.
func ref[I ~[16]byte](s string) I {
	of, err := id.Parse[I](s)
	if err != nil {
		return I{}
	}
	return of
}
