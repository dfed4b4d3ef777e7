package accessapi_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// refusing is what real calls would refuse things about.
type refusing struct {
	previewed
	held         string // ann's assignment of the writer, which is off, at North
	deep, same   string // the deepest node, and one that has North's slug elsewhere
	apart, given string // a node that is an organization, and ann's assignment there
	permission   string // of the system
}

func (w previewed) refusing() refusing {
	r := refusing{previewed: w, deep: w.north}
	r.held = w.Assign(w.at, w.ann, w.north, w.writer)
	w.Must(200, "PATCH", w.at+"/roles/"+w.writer, m{"is_active": false})
	r.same = w.Node(w.at, w.south, "region", "North")
	for range 3 {
		r.deep = w.Node(w.at, r.deep, "region", "Deep")
	}
	r.permission = w.Must(200, "GET", w.at+"/permissions?source=system", nil).Text("items", "0", "id")
	r.apart = w.Node(w.at, w.root, "region", "Customers")
	r.given = w.Assign(w.at, w.ann, r.apart, w.reader)
	w.s.Provoker().Execute(`UPDATE node SET node_type = 'canopy:organization' WHERE id = $1`, r.apart)
	return r
}

// refused is a change with the problems that are told.
type refused struct {
	change m
	want   []string
}

// ofPlaces are changes of nodes, roles and permissions.
func (r refusing) ofPlaces() []refused {
	w, no := r.previewed, servertest.NoID
	return []refused{
		{
			change("node.move", "node_ids", []string{w.north, "x"}, "parent_node_id", w.office),
			[]string{"nodes.cycle " + w.north, "nodes.node_not_found x"},
		},
		{
			change("node.move", "node_ids", []string{w.north, w.south}, "parent_node_id", no),
			[]string{"nodes.node_not_found " + no},
		},
		{
			change("node.move", "node_ids", []string{w.root}, "parent_node_id", w.north),
			[]string{"nodes.root_protected " + w.root},
		},
		{
			change("node.move", "node_ids", []string{w.office}, "parent_node_id", w.root),
			[]string{"nodes.invalid_parent " + w.office},
		},
		{
			change("node.move", "node_ids", []string{w.south}, "parent_node_id", r.deep),
			[]string{"nodes.max_depth_exceeded " + w.south},
		},
		{
			change("node.move", "node_ids", []string{r.same}, "parent_node_id", w.root),
			[]string{"nodes.slug_taken " + r.same},
		},
		{
			change("node.move", "node_ids", []string{r.apart}, "parent_node_id", w.south),
			[]string{"nodes.reserved_type " + r.apart},
		},
		{
			change("node.status", "node_ids", []string{w.root, r.apart}, "status", "inactive"),
			[]string{"nodes.root_protected " + w.root, "nodes.reserved_type " + r.apart},
		},
		{
			change("node.delete", "node_ids", []string{w.root, r.apart, no}),
			[]string{"nodes.root_protected " + w.root, "nodes.reserved_type " + r.apart, "nodes.node_not_found " + no},
		},
		{change("role.status", "role_id", no, "is_active", false), []string{"rbac.role_not_found " + no}},
		{
			change("role.status", "role_id", w.system, "is_active", false),
			[]string{"rbac.role_system_protected " + w.system},
		},
		{
			change("role.permissions", "role_id", w.reader, "permission_keys", []string{"no.one", "no.two"}),
			[]string{"permissions.not_found no.one", "permissions.not_found no.two"},
		},
		{
			change("role.permissions", "role_id", w.reader, "permission_keys", []string{"audit.view"}),
			[]string{"permissions.system_not_grantable audit.view"},
		},
		{
			change("role.permissions", "role_id", w.system, "permission_keys", []string{}),
			[]string{"rbac.role_system_protected " + w.system},
		},
		{change("role.delete", "role_id", w.system), []string{"rbac.role_system_protected " + w.system}},
		{change("permission.delete", "permission_id", no), []string{"permissions.not_found " + no}},
		{
			change("permission.delete", "permission_id", r.permission),
			[]string{"permissions.system_protected " + r.permission},
		},
	}
}

// ofPeople are changes of assignments, identities and whole Environments.
func (r refusing) ofPeople() []refused {
	w, no := r.previewed, servertest.NoID
	draft := func(identity, node, role string) m {
		return change("assignment.create", "assignments", []m{with(w.giving(node, role), "identity_id", identity)})
	}
	return []refused{
		{draft("x", w.north, w.reader), []string{"identities.not_found x"}},
		{draft(w.ann, no, w.reader), []string{"nodes.node_not_found " + no}},
		{draft(w.ann, w.north, no), []string{"rbac.role_not_found " + no}},
		{draft(w.ann, r.apart, w.reader), []string{"nodes.reserved_type " + r.apart}},
		{draft(w.ann, w.root, w.writer), []string{"rbac.role_inactive " + w.writer}},
		{draft(w.ann, w.root, w.system), []string{"rbac.role_system_not_assignable " + w.system}},
		{draft(w.ann, w.north, w.reader), []string{"rbac.assignment_conflict " + w.id}},
		{
			change("assignment.remove", "assignment_ids", []string{"x", w.id, no}),
			[]string{"rbac.assignment_not_found x", "rbac.assignment_not_found " + no},
		},
		{
			change("assignment.remove", "assignment_ids", []string{r.given, w.id}),
			[]string{"nodes.reserved_type " + r.given},
		},
		{
			change("assignment.change", "assignment_ids", []string{r.held, w.id}, "role_id", w.reader),
			[]string{"rbac.assignment_conflict " + r.held},
		},
		{
			change("assignment.change", "assignment_ids", []string{r.held}, "role_id", w.reader, "effective_to", nil),
			[]string{"rbac.assignment_conflict " + r.held},
		},
		{
			change("assignment.change", "assignment_ids", []string{w.id}, "role_id", w.writer),
			[]string{"rbac.role_inactive " + w.writer},
		},
		{
			change("assignment.change", "assignment_ids", []string{no, w.id}, "role_id", w.system, "effective_to", nil),
			[]string{"rbac.assignment_not_found " + no, "rbac.role_system_not_assignable " + w.system},
		},
		{change("identity.deactivate", "identity_ids", []string{"x"}), []string{"identities.not_found x"}},
		{change("identity.remove", "identity_ids", []string{no}), []string{"identities.not_found " + no}},
		{change("environment.promote", "source", "nowhere"), []string{"environments.not_in_application null"}},
		{change("environment.promote", "source", "development"), []string{"environments.not_in_application null"}},
	}
}

// TestPreviewsTellWhatIsRefused: by the codes of the real call, each with what it is about.
func TestPreviewsTellWhatIsRefused(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPreviewed(s.Provoker())
		r := w.refusing()
		before := w.state(t)
		for _, c := range slices.Concat(r.ofPlaces(), r.ofPeople()) {
			a := w.ask(c.change)
			told := slices.DeleteFunc(says(a), func(s string) bool { return strings.Contains(s, " Doe ") })
			if diff := cmp.Diff(c.want, told); diff != "" || is(a, "allowed") {
				t.Errorf("%v: %s\n%s", c.change, a.Raw, diff)
			}
		}
		w.held(t, before)
		flat := strings.Replace(w.at, "/development", "/production", 1)
		a := w.Must(200, "POST", flat+"/access-preview", m{"change": change("environment.revert_to_flat")})
		if diff := cmp.Diff([]string{"environments.already_flat null"}, says(a)); diff != "" {
			t.Error(diff)
		}
		// A role that is to come holds a permission that the target lacks.
		w.Must(201, "POST", flat+"/permissions", permissions("lease.void"))
		role := w.Role(flat, "Voider")
		w.Must(200, "PUT", flat+"/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.void"}})
		a = w.ask(change("environment.promote", "source", "production", "parts", []string{"roles"}))
		want := `The dump contradicts itself, or does not fit the Environment: ` +
			`roles: "Voider" names the unknown permission lease.void`
		if a.At("problems", "0", "message") != want {
			t.Errorf("a role without its permission: %s", a.Raw)
		}
	})
}
