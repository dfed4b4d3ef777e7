package hierarchy

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// The faults of schemas.
var (
	ErrSchemaNotConfigured = fault.New(fault.Invalid, "hierarchy.schema_not_configured",
		"The Environment is flat, or has no hierarchy schema yet")
	ErrSchemaInvalid = fault.New(fault.Invalid, "hierarchy.schema_invalid", "The schema contradicts itself")
	ErrSchemaInUse   = fault.New(fault.Invalid, "hierarchy.schema_in_use", "Nodes that are there would break the schema")
)

var typeName = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)

// organization is the type of nodes that only the product makes.
const organization = reserved + "organization"

// Schema is a schema as it comes in; it replaces the stored one.
type Schema struct {
	NodeTypes       []string            `json:"node_types"       doc:"1 to 64 types." maxItems:"65"`
	AllowedChildren map[string][]string `json:"allowed_children" doc:"The types that may lie below each type; a missing one is leaf only."`
	MaxDepth        int                 `json:"max_depth"        doc:"1 to 16; the root is at depth 1." example:"4"`
	RootNodeType    string              `json:"root_node_type"   doc:"The type that the root takes." example:"company" maxLength:"63"`
}

// Rules implements text.Ruled: what each field is by itself.
func (s *Schema) Rules(f *text.Fields) {
	f.Check("node_types", len(s.NodeTypes) >= 1 && len(s.NodeTypes) <= 64, "must hold 1 to 64 types")
	for i, t := range s.NodeTypes {
		f.Check("node_types["+strconv.Itoa(i)+"]", typeName.MatchString(t),
			"must be 1 to 63 characters of a-z, 0-9, _ and -, the first one a letter")
		f.Check("node_types["+strconv.Itoa(i)+"]", !slices.Contains(s.NodeTypes[:i], t), "must not come twice")
	}
	f.Check("allowed_children", s.AllowedChildren != nil, "must be an object")
	f.Check("max_depth", s.MaxDepth >= 1 && s.MaxDepth <= maxDepth, "must be 1 to 16")
	f.Check("root_node_type", len(s.RootNodeType) <= 100, "must be at most 100 characters")
}

// Consistent is the schema as it is kept, with a key for every type. What contradicts
// itself is hierarchy.schema_invalid, with a sentence for each.
func (s *Schema) Consistent() (environment.Schema, error) {
	var problems []string
	kept := environment.Schema{
		NodeTypes: s.NodeTypes, AllowedChildren: map[string][]string{}, MaxDepth: s.MaxDepth, RootNodeType: s.RootNodeType,
	}
	for _, t := range s.NodeTypes {
		kept.AllowedChildren[t] = []string{}
	}
	for parent, children := range s.AllowedChildren {
		if parent != organization && !slices.Contains(s.NodeTypes, parent) {
			problems = append(problems, fmt.Sprintf("allowed_children names %.100q, which is no node type", parent))
		}
		for _, child := range children {
			if !slices.Contains(s.NodeTypes, child) {
				problems = append(problems, fmt.Sprintf("allowed_children allows %.100q, which is no node type", child))
			}
		}
		kept.AllowedChildren[parent] = slices.Compact(slices.Sorted(slices.Values(children)))
	}
	if !slices.Contains(s.NodeTypes, s.RootNodeType) {
		problems = append(problems, "root_node_type is no node type")
	}
	if len(problems) > 0 {
		slices.Sort(problems)
		return kept, ErrSchemaInvalid.WithDetails(problems[:min(len(problems), 50)]...)
	}
	return kept, nil
}

// SameSchema reports whether two schemas say the same; the order of types means nothing.
// nil is none, and no schema is like it.
func SameSchema(a *environment.Schema, b environment.Schema) bool {
	if a == nil {
		return false
	}
	canonical := func(s environment.Schema) string {
		s.NodeTypes = slices.Sorted(slices.Values(s.NodeTypes))
		raw, _ := json.Marshal(s, json.Deterministic(true))
		return string(raw)
	}
	return canonical(*a) == canonical(b)
}

// Schema reads the Environment with its schema, which is nil while none is stored.
func (s *Service) Schema(ctx context.Context, in scope.Environment) (environment.Environment, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (environment.Environment, error) {
		return environment.Find(ctx, tx, in)
	})
}

// SetSchema replaces the schema, and the root takes its type; ifVersion is the
// Environment's, and 0 takes any. The stored schema again writes nothing. Faults:
// hierarchy.schema_invalid, version_conflict with the Environment as view shows it,
// hierarchy.schema_in_use with up to twenty of the nodes that would break it. Event:
// hierarchy_schema.updated.
func (s *Service) SetSchema(
	ctx context.Context, by principal.Actor, in scope.Environment, c Schema, ifVersion int,
	view func(environment.Environment) any,
) (environment.Environment, error) {
	ctx = database.Long(ctx)
	type Environment = environment.Environment
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, e Environment) (Environment, error) {
		if ifVersion != 0 && ifVersion != e.Version {
			return e, fault.VersionConflict.WithData(view(e))
		}
		wanted, err := c.Consistent()
		if err != nil || SameSchema(e.Schema, wanted) {
			return e, err
		}
		root, err := found(scan(tx.QueryRow(ctx, selectRoot, in.ID)))
		if err != nil {
			return e, err
		}
		if err := fits(ctx, tx, in, root, wanted); err != nil {
			return e, err
		}
		if root.Type != wanted.RootNodeType {
			err := count(ctx, tx, in.ID, counts{{"type", root.Type}: -1, {"type", wanted.RootNodeType}: 1})
			if err != nil {
				return e, err
			}
			root.Type = wanted.RootNodeType
			if _, err := root.save(ctx, tx, in); err != nil {
				return e, err
			}
		}
		e.Schema = &wanted
		if e, err = environment.Save(ctx, tx, e); err != nil {
			return e, err
		}
		revision.AppendTree(tx, in, root.Put())
		about := entry(by, in, e.ID.Any(), e.Name)
		return e, event.Record(ctx, tx, SchemaUpdated, about, SchemaPayload{wanted.NodeTypes, wanted.MaxDepth})
	})
}

// mostOffenders is how many nodes a refusal names.
const mostOffenders = 20

// fits says which nodes would break a schema, if any: the tally tells whether there are
// some, so that nothing looks at the whole tree but for pairs of types.
func fits(ctx context.Context, tx *database.Tx, in scope.Environment, root Node, s environment.Schema) error {
	var details []string
	name := func(why string, query string, args ...any) error {
		list, err := database.All(ctx, tx, scan, query, append([]any{in.ID}, args...)...)
		for _, n := range list {
			if len(details) < mostOffenders {
				details = append(details, fmt.Sprintf("node %q (%s) of type %s: %s", n.Name, n.ID, n.Type, why))
			}
		}
		return err
	}
	types, err := tally(ctx, tx, in.ID, "type")
	if err != nil {
		return err
	}
	types[root.Type]--
	for _, t := range sortedNames(types) {
		if types[t] > 0 && !IsReserved(t) && !slices.Contains(s.NodeTypes, t) {
			if err := name("the schema has no such type", selectOfType, t); err != nil {
				return err
			}
		}
	}
	pairs, err := pairsOf(ctx, tx, in)
	if err != nil {
		return err
	}
	for _, p := range pairs {
		parent := p[0]
		if parent == "" {
			parent = s.RootNodeType
		}
		known := slices.Contains(s.NodeTypes, p[1]) // else it is named already
		if !IsReserved(p[1]) && known && !slices.Contains(s.AllowedChildren[parent], p[1]) {
			if err := name("it may not lie below "+parent, selectOfPair, p[1], p[0]); err != nil {
				return err
			}
		}
	}
	depths, err := tally(ctx, tx, in.ID, "depth")
	if err != nil {
		return err
	}
	for at := s.MaxDepth + 1; at <= maxDepth; at++ {
		if depths[strconv.Itoa(at)] > 0 {
			if err := name("it lies too deep", selectDeep, root.ID, s.MaxDepth); err != nil {
				return err
			}
			break
		}
	}
	if len(details) > 0 {
		return ErrSchemaInUse.WithDetails(details...)
	}
	return nil
}

func sortedNames(of map[string]int) []string {
	names := make([]string, 0, len(of))
	for name := range of {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// pairsOf are the types of parents and children that there are; "" is the root's.
func pairsOf(ctx context.Context, tx *database.Tx, in scope.Environment) ([][2]string, error) {
	list, err := database.All(ctx, tx, func(row database.Scanner) (p [2]string, err error) {
		var n int
		return p, row.Scan(&p[0], &p[1], &n)
	}, selectPairs, in.ID)
	slices.SortFunc(list, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	return list, err
}
