package hierarchy_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/tenant/environment"
)

func TestSchemaRules(t *testing.T) {
	t.Parallel()
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprintf("t%d", i)
	}
	const (
		few = "node_types must hold 1 to 64 types"
		odd = "node_types[0] must be 1 to 63 characters of a-z, 0-9, _ and -, the first one a letter"
	)
	for name, c := range map[string]struct {
		types []string
		depth int
		want  string
	}{
		"fine":          {[]string{"a", "b_c-9"}, 16, ""},
		"the longest":   {[]string{"a" + strings.Repeat("x", 62)}, 1, ""},
		"the most":      {many[:64], 1, ""},
		"none":          {nil, 1, few},
		"too many":      {many, 1, few},
		"twice":         {[]string{"a", "b", "a"}, 1, "node_types[2] must not come twice"},
		"reserved":      {[]string{"canopy:team"}, 1, odd},
		"too long":      {[]string{"a" + strings.Repeat("x", 63)}, 1, odd},
		"a capital":     {[]string{"Team"}, 1, odd},
		"a digit first": {[]string{"1a"}, 1, odd},
		"empty":         {[]string{""}, 1, odd},
		"a line more":   {[]string{"a\n"}, 1, odd},
		"no depth":      {[]string{"a"}, 0, "max_depth must be 1 to 16"},
		"too deep":      {[]string{"a"}, 17, "max_depth must be 1 to 16"},
	} {
		d := hierarchy.Schema{
			NodeTypes: c.types, MaxDepth: c.depth, RootNodeType: "a", AllowedChildren: map[string][]string{},
		}
		if got := strings.Join(text.Normalize(&d), "; "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestSchemaThatContradictsItself(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := flat(t, db)
		for name, change := range map[string]func(*hierarchy.Schema){
			"root_node_type is no node type": func(d *hierarchy.Schema) { d.RootNodeType = "none" },
			`allowed_children names "none", which is no node type`: func(d *hierarchy.Schema) {
				d.AllowedChildren["none"] = nil
			},
			`allowed_children allows "none", which is no node type`: func(d *hierarchy.Schema) {
				d.AllowedChildren["area"] = []string{"team", "none"}
			},
			`allowed_children allows "canopy:organization", which is no node type`: func(d *hierarchy.Schema) {
				d.AllowedChildren["area"] = []string{"canopy:organization"}
			},
		} {
			d := schema()
			change(&d)
			err := w.setSchema(d)
			if !errors.Is(err, hierarchy.ErrSchemaInvalid) || !slices.Equal(fault.As(err).Details, []string{name}) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if e, err := w.Schema(t.Context(), w.in); err != nil || e.Schema != nil || e.Version != 1 {
			t.Errorf("%+v %v", e, err)
		}
		d := schema()
		d.AllowedChildren["canopy:organization"] = []string{"team", "team"}
		w.must(w.setSchema(d))
		e, err := w.Schema(t.Context(), w.in)
		if err != nil || e.Version != 2 || fmt.Sprint(e.Schema.AllowedChildren) !=
			"map[area:[team] canopy:organization:[team] company:[region team] region:[area region team] team:[]]" {
			t.Errorf("%+v %v", e, err)
		}
	})
}

// TestSchemaAgainWritesNothing, in whatever order it comes.
func TestSchemaAgainWritesNothing(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := flat(t, db)
		_ = eventtest.Take(t, db)
		w.must(w.setSchema(schema()))
		rows := eventtest.Take(t, db)
		if len(rows) != 1 || rows[0].Action != "hierarchy_schema.updated" || rows[0].ResourceID != w.in.ID.Any() ||
			rows[0].Metadata != `{"node_types":["company","region","area","team"],"max_depth":6}` {
			t.Errorf("%v", rows)
		}
		root, _, err := w.Get(t.Context(), w.in, manager, w.root())
		if err != nil || root.Type != "company" || root.Version != 2 {
			t.Errorf("%+v %v", root, err)
		}
		d := schema()
		slices.Reverse(d.NodeTypes)
		slices.Reverse(d.AllowedChildren["region"])
		d.AllowedChildren["team"] = []string{}
		w.must(w.setSchema(d))
		_, err = w.SetSchema(t.Context(), by, w.in, d, 1, func(e environment.Environment) any { return e.Version })
		if f := fault.As(err); f == nil || f.Code != "version_conflict" || f.Data != 2 {
			t.Error(err)
		}
		if got := eventtest.Actions(t, db); got != "" {
			t.Error(got)
		}
		w.sound()
	})
}

func named(name string, of hierarchy.ID, nodeType, why string) string {
	return fmt.Sprintf("node %q (%s) of type %s: %s", name, of, nodeType, why)
}

// TestSchemaInUse: what exists decides, and is named.
func TestSchemaInUse(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := grown(t, db)
		east := w.add(w.root(), "region", "East")
		area := w.add(east, "area", "North")
		team := w.add(area, "team", "Team")
		off := hierarchy.Inactive
		_, err := w.change(team, hierarchy.Change{Status: &off})
		w.must(err)
		for name, c := range map[string]struct {
			change func(*hierarchy.Schema)
			want   string
		}{
			"a type goes": {func(d *hierarchy.Schema) {
				d.NodeTypes = []string{"company", "region", "area"}
				d.AllowedChildren = map[string][]string{"company": {"region"}, "region": {"area"}}
			}, named("Team", team, "team", "the schema has no such type")},
			"a pair goes": {
				func(d *hierarchy.Schema) { d.AllowedChildren["area"] = nil },
				named("Team", team, "team", "it may not lie below area"),
			},
			"the depth shrinks": {
				func(d *hierarchy.Schema) { d.MaxDepth = 3 },
				named("Team", team, "team", "it lies too deep"),
			},
			"the root takes another type": {
				func(d *hierarchy.Schema) { d.RootNodeType = "team" },
				named("East", east, "region", "it may not lie below team"),
			},
		} {
			d := schema()
			c.change(&d)
			err := w.setSchema(d)
			if !errors.Is(err, hierarchy.ErrSchemaInUse) || !slices.Equal(fault.As(err).Details, []string{c.want}) {
				t.Errorf("%s: %v %v", name, err, fault.As(err))
			}
		}
		for range 25 {
			w.add(area, "team", "Team")
		}
		d := schema()
		d.AllowedChildren["area"] = nil
		if err := w.setSchema(d); !errors.Is(err, hierarchy.ErrSchemaInUse) || len(fault.As(err).Details) != 20 {
			t.Errorf("%v", err)
		}
		// What is extended, or shrinks where nothing is, works.
		d = schema()
		d.NodeTypes, d.MaxDepth = append(d.NodeTypes, "desk"), 4
		d.AllowedChildren["region"] = []string{"area", "desk"}
		d.AllowedChildren["team"] = []string{"desk"}
		w.must(w.setSchema(d))
		d.RootNodeType = "region"
		d.AllowedChildren["region"] = []string{"area", "desk", "region"}
		w.must(w.setSchema(d))
		if s, err := w.Summary(t.Context(), w.in); err != nil ||
			fmt.Sprint(s) != "{29 28 1 4 map[area:1 region:2 team:26]}" {
			t.Error(s, err)
		}
	})
}
