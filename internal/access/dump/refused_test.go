package dump_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestWhatAnImportRefuses: each dump is refused for its reason alone, as a dry run too, and
// changes nothing.
func TestWhatAnImportRefuses(t *testing.T) { //nolint:funlen // one table
	t.Parallel()
	const unknown = "019daac3-0205-76b4-8928-b5b7a767c76f"
	const bad, invalid, unsupported = "validation", "environments.import_invalid", "environments.import_unsupported"
	more := func(d m, name string, v m) { d[name] = append(list(d, name), v) }
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		before := w.stored()
		for name, c := range map[string]struct {
			change func(d m)
			code   string
			detail string // what the only detail begins with
		}{
			"another format": {func(d m) { d["format_version"] = 2 }, unsupported, ""},
			"a newer format": {
				func(d m) { d["format_version"] = 7; d["news"] = m{}; delete(d, "nodes") },
				unsupported, "",
			},
			"format 0":  {func(d m) { d["format_version"] = 0 }, unsupported, ""},
			"no format": {func(d m) { delete(d, "format_version") }, bad, "format_version is required"},
			"a format of text": {
				func(d m) { d["format_version"] = "1" },
				bad, "format_version must be a whole number",
			},
			"half a format": {
				func(d m) { d["format_version"] = 1.5 },
				bad, "format_version must be a whole number",
			},
			"no source":        {func(d m) { delete(d, "source_env") }, bad, "source_env is required"},
			"no model":         {func(d m) { delete(d, "access_model") }, bad, "access_model is required"},
			"no schema":        {func(d m) { delete(d, "hierarchy_schema") }, bad, "hierarchy_schema is required"},
			"no permissions":   {func(d m) { delete(d, "permissions") }, bad, "permissions is required"},
			"no roles":         {func(d m) { delete(d, "roles") }, bad, "roles is required"},
			"no nodes":         {func(d m) { delete(d, "nodes") }, bad, "nodes is required"},
			"no clients":       {func(d m) { delete(d, "oauth_clients") }, bad, "oauth_clients is required"},
			"no webhooks":      {func(d m) { delete(d, "webhooks") }, bad, "webhooks is required"},
			"nodes of no list": {func(d m) { d["nodes"] = m{} }, bad, "nodes must be an array"},
			"nodes of null":    {func(d m) { d["nodes"] = nil }, bad, "nodes must be an array"},
			"a strange member": {func(d m) { d["secrets"] = 1 }, bad, "property secrets is not allowed"},
			"metadata of text": {func(d m) { d["metadata"] = "x" }, bad, "metadata must be an object"},
			"too much metadata": {
				func(d m) { d["metadata"] = m{"x": strings.Repeat("x", 70_000)} },
				bad, "metadata must be at most",
			},
			"a NUL in metadata": {
				func(d m) { d["metadata"] = m{"x": "a\x00"} },
				bad, "metadata must not hold the character U+0000",
			},
			"another model": {
				func(d m) { d["access_model"] = "graph" },
				bad, "access_model must be flat or hierarchy",
			},
			"a bad source": {
				func(d m) { d["source_env"].(m)["slug"] = "A B" },
				bad, "source_env.slug must be",
			},
			"a strange source": {
				func(d m) { d["source_env"].(m)["x"] = 1 },
				bad, "property source_env.x is not allowed",
			},
			"half a schema": {
				func(d m) { delete(d["hierarchy_schema"].(m), "max_depth") },
				bad, "hierarchy_schema.max_depth is required",
			},
			"too deep a schema": {
				func(d m) { d["hierarchy_schema"].(m)["max_depth"] = 17 },
				bad, "hierarchy_schema.max_depth must be 1 to 16",
			},
			"a bad type": {
				func(d m) { d["hierarchy_schema"].(m)["node_types"] = []string{"company", "region", "team", "A"} },
				bad, "hierarchy_schema.node_types[3] must be",
			},
			"a schema that contradicts itself": {
				func(d m) { d["hierarchy_schema"].(m)["allowed_children"].(m)["team"] = []string{"x"} },
				invalid, "hierarchy_schema: allowed_children allows \"x\", which is no node type",
			},
			"a bad key": {
				func(d m) { one(d, "permissions", 0)["key"] = "Lease" },
				bad, "permissions[0].key must be",
			},
			"a key of a number": {
				func(d m) { one(d, "permissions", 0)["key"] = 7 },
				bad, "permissions[0].key must be a string",
			},
			"a permission of text": {
				func(d m) { list(d, "permissions")[1] = "x" },
				bad, "permissions[1] must be an object",
			},
			"a nameless permission": {
				func(d m) { delete(one(d, "permissions", 0), "name") },
				bad, "permissions[0].name is required",
			},
			"a strange permission": {
				func(d m) { one(d, "permissions", 0)["id"] = 1 },
				bad, "property permissions[0].id is not allowed",
			},
			"a permission with NUL": {
				func(d m) { one(d, "permissions", 0)["name"] = "a\x00b" },
				bad, "permissions[0].name must not hold the character U+0000",
			},
			"a key twice": {
				func(d m) { more(d, "permissions", m{"key": "lease.read", "name": "x", "category": "x"}) },
				invalid, "permissions: the key lease.read comes twice",
			},
			"a system key": {
				func(d m) { more(d, "permissions", m{"key": "identity.view", "name": "x", "category": "x"}) },
				invalid, "permissions: the key identity.view is the system's own",
			},
			"a nameless role": {
				func(d m) { delete(one(d, "roles", 0), "name") },
				bad, "roles[0].name is required",
			},
			"a role without keys": {
				func(d m) { delete(one(d, "roles", 0), "permission_keys") },
				bad, "roles[0].permission_keys is required",
			},
			"keys of numbers": {
				func(d m) { one(d, "roles", 0)["permission_keys"] = []int{1} },
				bad, "roles[0].permission_keys must be an array of strings",
			},
			"a role that is maybe": {
				func(d m) { one(d, "roles", 0)["is_active"] = "yes" },
				bad, "roles[0].is_active must be true or false",
			},
			"a strange role": {
				func(d m) { one(d, "roles", 1)["members"] = 1 },
				bad, "property roles[1].members is not allowed",
			},
			"a role of a long name": {
				func(d m) { one(d, "roles", 0)["name"] = strings.Repeat("x", 101) },
				bad, "roles[0].name must be 1 to 100 characters",
			},
			"a name twice": {
				func(d m) { one(d, "roles", 1)["name"] = "AGENT" },
				invalid, "roles: the name \"AGENT\" comes twice",
			},
			"the system role": {
				func(d m) { one(d, "roles", 1)["name"] = "platform admin" },
				invalid, "roles: the name \"platform admin\" comes twice, or is the system's own",
			},
			"an unknown permission": {
				func(d m) { one(d, "roles", 1)["permission_keys"] = []string{"lease.burn"} },
				invalid, "roles: \"Reader\" names the unknown permission lease.burn",
			},
			"an ungrantable one": {
				func(d m) { one(d, "roles", 1)["permission_keys"] = []string{"identity.view"} },
				invalid, "roles: \"Reader\" names identity.view, a system permission that can't be granted",
			},
			"a node without an id": {
				func(d m) { delete(one(d, "nodes", 1), "id") },
				bad, "nodes[1].id is required",
			},
			"a node of a bad id": {
				func(d m) { one(d, "nodes", 2)["id"] = "2" },
				bad, "nodes[2].id must be an id",
			},
			"a node without parent": {
				func(d m) { delete(one(d, "nodes", 2), "parent_node_id") },
				bad, "nodes[2].parent_node_id is required",
			},
			"a node of a bad slug": {
				func(d m) { one(d, "nodes", 1)["slug"] = "North!" },
				bad, "nodes[1].slug must be",
			},
			"a node of a bad name": {
				func(d m) { one(d, "nodes", 1)["name"] = " " },
				bad, "nodes[1].name must",
			},
			"a node of a bad status": {
				func(d m) { one(d, "nodes", 1)["status"] = "deleted" },
				bad, "nodes[1].status must be active or inactive",
			},
			"a node of a list": {
				func(d m) { one(d, "nodes", 1)["metadata"] = []int{1} },
				bad, "nodes[1].metadata must be an object",
			},
			"a node of deep JSON": {
				func(d m) {
					deep := any("x")
					for range 9 {
						deep = m{"x": deep}
					}
					one(d, "nodes", 1)["metadata"] = deep
				}, bad, "nodes[1].metadata must be at most 64 KiB and 8 levels deep",
			},
			"a node with NUL": {
				func(d m) { one(d, "nodes", 1)["metadata"] = m{"a\x00": 1} },
				bad, "nodes[1].metadata must not hold the character U+0000",
			},
			"a strange node": {
				func(d m) { one(d, "nodes", 1)["child_count"] = 1 },
				bad, "property nodes[1].child_count is not allowed",
			},
			"an id twice": {
				func(d m) { one(d, "nodes", 3)["id"] = one(d, "nodes", 1)["id"] },
				invalid, "nodes: the id ",
			},
			"no root": {
				func(d m) { one(d, "nodes", 0)["parent_node_id"] = one(d, "nodes", 1)["id"] },
				invalid, "nodes: there is no root",
			},
			"no node": {func(d m) { d["nodes"] = []any{} }, invalid, "nodes: there is no root"},
			"two roots": {
				func(d m) { one(d, "nodes", 3)["parent_node_id"] = nil },
				invalid, "nodes: there are 2 roots",
			},
			"a missing parent": {
				func(d m) { one(d, "nodes", 3)["parent_node_id"] = unknown },
				invalid, "nodes: ",
			},
			"a parent of no id": {
				func(d m) { one(d, "nodes", 3)["parent_node_id"] = "south" },
				invalid, "nodes: ",
			},
			"a node below itself": {
				func(d m) { one(d, "nodes", 3)["parent_node_id"] = one(d, "nodes", 3)["id"] },
				invalid, "nodes: no way leads from the root to ",
			},
			"a slug twice":    {func(d m) { one(d, "nodes", 3)["slug"] = "north" }, invalid, "nodes: "},
			"an unknown type": {func(d m) { one(d, "nodes", 3)["node_type"] = "moon" }, invalid, "nodes: "},
			"a reserved type": {
				func(d m) { one(d, "nodes", 3)["node_type"] = "canopy:organization" },
				invalid, "nodes: ",
			},
			"a type too low": {
				func(d m) { one(d, "nodes", 3)["parent_node_id"] = one(d, "nodes", 2)["id"] },
				invalid, "nodes: ",
			},
			"a node too deep": {func(d m) { d["hierarchy_schema"].(m)["max_depth"] = 2 }, invalid, "nodes: "},
			"a root of its own": {
				func(d m) { one(d, "nodes", 0)["node_type"] = "region" },
				invalid, "nodes: the root must have the type company",
			},
			"a root that is off": {
				func(d m) { one(d, "nodes", 0)["status"] = "inactive" },
				invalid, "nodes: the root must be active",
			},
			"a flat tree": {
				func(d m) { d["access_model"] = "flat" },
				invalid, "nodes: a flat Environment has the root alone, and there are 4 nodes",
			},
			"a client": {
				func(d m) { more(d, "oauth_clients", m{"name": "Web"}) },
				invalid, "oauth_clients must be empty",
			},
			"a webhook": {func(d m) { more(d, "webhooks", m{}) }, invalid, "webhooks must be empty"},
		} {
			d := w.parsed(w.dev)
			c.change(d)
			for _, target := range []bool{true, false} {
				for _, in := range []string{"full", "empty"} {
					to := w.dev
					if in == "empty" {
						to = w.prod
					}
					_, err := w.Import(t.Context(), alex, to, w.encoded(d), dump.All(), target)
					f := fault.As(err)
					if f == nil || f.Code != c.code {
						t.Errorf("%s: %v, want %s", name, err, c.code)
						continue
					}
					if c.detail != "" && (len(f.Details) != 1 || !strings.HasPrefix(f.Details[0], c.detail)) {
						t.Errorf("%s: %q", name, f.Details)
					}
				}
			}
		}
		if diff := cmp.Diff(before, strings.Join(sorted(withoutExports(w)), "\n")); diff != "" {
			t.Error("something was changed:", diff)
		}
	})
}

// withoutExports are the rows of the store, but for those that say that it was exported.
func withoutExports(w *world) []string {
	w.t.Helper()
	dbtest.Exec(w.t, w.db, `DELETE FROM audit_event WHERE action = 'environment.exported'`)
	return strings.Split(w.stored(), "\n")
}

// TestCutOffDumps: a dump that ends anywhere is refused, and changes nothing.
func TestCutOffDumps(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		raw := w.export(w.dev)
		before := w.stored()
		for end := 0; end < len(raw); end += 1 + len(raw)/200 {
			_, err := w.Import(t.Context(), alex, w.prod, raw[:end], dump.All(), false)
			if !errors.Is(err, fault.Validation) {
				t.Fatalf("after %d bytes: %v", end, err)
			}
		}
		const twice = `{"format_version":1,"format_version":1}`
		for _, bad := range []string{"[]", "null", "7", `"x"`, "{}{}", string(raw) + "x", twice} {
			_, err := w.Import(t.Context(), alex, w.prod, []byte(bad), dump.All(), false)
			if !errors.Is(err, fault.Validation) {
				t.Errorf("%.40s: %v", bad, err)
			}
		}
		if w.stored() != before {
			t.Error("something was changed")
		}
	})
}

// TestAllIsTold: problems of several lists stand in one answer, and of many the first ones.
func TestAllIsTold(t *testing.T) {
	t.Parallel()
	dbtest.EachTimed(t, func(t *testing.T, db *database.DB, _ *dbtest.Clock) {
		t.Parallel()
		w := newWorld(t, db)
		w.small()
		d := w.parsed(w.dev)
		one(d, "permissions", 0)["key"] = "X"
		one(d, "roles", 0)["name"] = ""
		one(d, "nodes", 1)["slug"] = ""
		_, err := w.Import(t.Context(), alex, w.prod, w.encoded(d), dump.All(), false)
		if f := fault.As(err); f == nil || f.Code != "validation" || len(f.Details) != 3 {
			t.Error(err, f)
		}
		d = w.parsed(w.dev)
		for i := range 150 {
			d["roles"] = append(list(d, "roles"), m{"name": fmt.Sprint("R", i), "permission_keys": []string{"no.such"}})
		}
		one(d, "nodes", 1)["node_type"] = "moon"
		_, err = w.Import(t.Context(), alex, w.prod, w.encoded(d), dump.All(), false)
		if f := fault.As(err); f == nil || f.Code != "environments.import_invalid" || len(f.Details) != 100 {
			t.Error(err)
		}
		for range 100 {
			d["permissions"] = append(list(d, "permissions"), m{"key": "X"})
		}
		_, err = w.Import(t.Context(), alex, w.prod, w.encoded(d), dump.All(), false)
		if f := fault.As(err); f == nil || f.Code != "validation" || len(f.Details) != 50 {
			t.Error(err)
		}
	})
}
