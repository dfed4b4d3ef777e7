package accessapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestDecisionsTakeWhatNamesNothing: an id that is none is unknown, and no mistake of the
// caller, in a body and in a query; one without characters is a mistake.
func TestDecisionsTakeWhatNamesNothing(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		held := "/identities/" + w.ann + "/permissions"
		body := m{"identity_id": w.ann, "permission": "lease.read", "scope": "node"}
		explain := m{"identity_id": w.ann, "permission": "lease.read"}
		for _, c := range []struct {
			node   string
			status int // of what is looked up
		}{
			{"x", 404},
			{strings.ToUpper(w.north), 404},
			{servertest.NoID, 404},
			{"00000000-0000-0000-0000-000000000000", 404},
			{"ffffffff-ffff-ffff-ffff-ffffffffffff", 404},
			{strings.Repeat("é", 255), 404},
			{strings.Repeat("é", 256), 400},
			{"", 400},
		} {
			at := w.Do("GET", w.at+held+"?node_id="+c.node, nil)
			why := w.Do("POST", w.at+"/permissions/evaluate/explain", with(explain, "node_id", c.node))
			if at.Status != c.status || why.Status != c.status {
				t.Errorf("%q: held there %d %s, explained %d %s", c.node, at.Status, at.Raw, why.Status, why.Raw)
			}
			one := w.Do("POST", w.at+"/permissions/evaluate", with(body, "node_id", c.node))
			if c.status == 400 {
				if one.Status != 400 || at.Code() != "validation" || why.Code() != "validation" {
					t.Errorf("%q: %d %s", c.node, one.Status, one.Raw)
				}
			} else if one.Status != 200 || one.At("data", "denial_reason") != "node_not_found" ||
				one.At("data", "effective_node_id") != c.node || at.Code() != "nodes.node_not_found" {
				t.Errorf("%q: %d %s, held there %s", c.node, one.Status, one.Raw, at.Raw)
			}
		}
		w.Must(200, "GET", w.at+held+"?node_id="+w.north, nil)
	})
}

// TestBulkNamesTheMalformedCheck: one of them refuses the call, and details say which and what.
func TestBulkNamesTheMalformedCheck(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		ask := func(more ...any) m {
			return with(m{"identity_id": w.ann, "permission": "lease.read", "scope": "app_wide"}, more...)
		}
		for _, c := range []struct {
			third m
			want  string
		}{
			{ask("scope", "node"), "checks[2].node_id is needed with the scope node"},
			{ask("scope", "node", "node_id", nil), "checks[2].node_id is needed with the scope node"},
			{ask("node_id", w.north), "checks[2].node_id must be absent with the scope app_wide"},
			{ask("permission", ""), "checks[2].permission must be 1 to 255 characters"},
			{ask("identity_id", strings.Repeat("a", 256)), "checks[2].identity_id must be 1 to 255 characters"},
		} {
			a := w.Do("POST", w.at+"/permissions/evaluate/bulk", m{"checks": []m{ask(), ask("node_id", nil), c.third}})
			diff := cmp.Diff([]any{c.want}, a.At("error", "details"))
			if a.Status != 400 || a.Code() != "validation" || diff != "" {
				t.Errorf("%v: %d %s\n%s", c.third, a.Status, a.Raw, diff)
			}
		}
		w.Must(200, "POST", w.at+"/permissions/evaluate", ask("node_id", nil))
		for _, n := range []int{0, 1001} {
			checks := make([]m, n)
			for i := range checks {
				checks[i] = ask()
			}
			a := w.Do("POST", w.at+"/permissions/evaluate/bulk", m{"checks": checks})
			if a.Status != 400 || a.Code() != "validation" {
				t.Errorf("%d checks: %d %s", n, a.Status, a.Raw)
			}
		}
	})
}
