package accessapi_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// number is a whole number of an answer, -1 for none.
func number(a answer, path ...string) int {
	if n, is := a.At(path...).(float64); is {
		return int(n)
	}
	return -1
}

// TestHolders: what a row, a list and the summaries show, at both doors.
func TestHolders(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		bob := w.Person(w.at, "bob")
		top := w.Must(201, "POST", w.at+"/assignments", with(w.giving(w.root, w.writer), "identity_id", bob,
			"effective_from", "2020-01-01T00:00:00Z", "effective_to", "2999-01-01T00:00:00+01:00"))
		key := w.Key(w.at)
		both := func(path string) (a answer) {
			t.Helper()
			a = w.Must(200, "GET", w.at+path, nil)
			if b := s.Client().Must(200, "GET", "/api/v1"+path, nil, "X-API-Key", key); b.Raw != a.Raw {
				t.Errorf("%s: %s in the portal, %s by a key", path, a.Raw, b.Raw)
			}
			if a.Header.Get("Canopy-Revision") == "" {
				t.Errorf("%s says no revision", path)
			}
			return a
		}
		row := m{
			"identity": m{
				"id": bob, "first_name": "bob", "last_name": "Doe", "name": "bob Doe",
				"email": w.Must(200, "GET", w.at+"/identities/"+bob, nil).At("data", "email"), "avatar_url": nil,
			},
			"role": m{"id": w.writer, "name": "Writer"},
			"assignment": m{
				"id": top.At("data", "id"), "source_node_id": w.root, "source_node_name": "Desk", "access_type": "direct",
				"effective_from": "2020-01-01T00:00:00.000Z", "effective_to": "2998-12-31T23:00:00.000Z", "status": "active",
				"created_at": top.At("data", "created_at"),
			},
		}
		all := both("/assignments/app-wide?sort_by=effective_to&order=asc")
		if diff := cmp.Diff(any(row), all.At("items", "0")); diff != "" || number(all, "pagination", "item_count") != 2 {
			t.Error(diff, all.Raw)
		}
		row["assignment"].(m)["access_type"] = "inherited"
		here := both("/nodes/" + w.office + "/identities?sort_by=access_type&role_id=" + w.writer)
		if diff := cmp.Diff([]any{row}, here.At("items")); diff != "" {
			t.Error(diff)
		}
		counts := m{
			"active_count": 2.0, "scheduled_count": 0.0, "expired_count": 0.0, "expiring_soon_count": 0.0,
			"distinct_role_count": 2.0,
		}
		if diff := cmp.Diff(any(counts), both("/assignments/app-wide/summary").At("data")); diff != "" {
			t.Error(diff)
		}
		person := func(of, name string) m {
			return m{"id": of, "first_name": name, "last_name": "Doe", "name": name + " Doe", "avatar_url": nil}
		}
		counts["direct_count"], counts["inherited_count"], counts["can_manage_assignments"] = 1.0, 1.0, true
		counts["recent_identities"] = []any{person(bob, "bob"), person(w.ann, "ann")}
		if diff := cmp.Diff(any(counts), both("/nodes/"+w.north+"/identities/summary").At("data")); diff != "" {
			t.Error(diff)
		}
	})
}

// TestWindowsTurnToTheMillisecond: an assignment becomes active at its beginning and expires
// at its end, in lists, summaries and trees, and the validator of the tree says so.
func TestWindowsTurnToTheMillisecond(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		key := w.Key(w.at)
		get := func(path string) answer {
			t.Helper()
			return s.Client().Must(200, "GET", "/api/v1"+path, nil, "X-API-Key", key)
		}
		from := s.Clock.Now().UTC().Truncate(time.Hour).Add(30 * 24 * time.Hour)
		to := from.Add(14 * 24 * time.Hour)
		w.Must(201, "POST", w.at+"/assignments", with(w.giving(w.office, w.writer),
			"effective_from", from.Format(time.RFC3339Nano), "effective_to", to.Format(time.RFC3339Nano)))
		soon := to.Add(-7 * 24 * time.Hour)
		tag := ""
		for _, c := range []struct {
			at    time.Time
			state string
			soon  int
			turns bool
		}{
			{from.Add(-time.Millisecond), "scheduled", 0, true},
			{from, "active", 0, true},
			{soon.Add(-time.Millisecond), "active", 0, false},
			{soon, "active", 1, false},
			{to.Add(-time.Millisecond), "active", 1, false},
			{to, "expired", 0, true},
		} {
			s.Clock.Stop(c.at)
			inState := map[string]int{"active": 1, "scheduled": 0, "expired": 0} // ann's at North is always active
			inState[c.state]++
			for state, n := range inState {
				for _, list := range []string{"/assignments/app-wide", "/nodes/" + w.office + "/identities"} {
					a := get(list + "?role_id=" + w.writer + "&status=" + state)
					if want := map[bool]int{true: 1}[state == c.state]; number(a, "pagination", "item_count") != want ||
						want == 1 && a.Text("items", "0", "assignment", "status") != state {
						t.Errorf("%s at %v: %s", list, c.at, a.Raw)
					}
					if sum := get(list + "/summary"); number(sum, "data", state+"_count") != n ||
						number(sum, "data", "expiring_soon_count") != c.soon {
						t.Errorf("%s at %v: %s, want %d %s", list, c.at, sum.Raw, n, state)
					}
				}
			}
			tree := get("/nodes?root=" + w.office)
			direct, inherited := map[bool]int{true: 1}[c.state == "active"], 1
			if number(tree, "data", "tree", "0", "direct_count") != direct ||
				number(tree, "data", "tree", "0", "inherited_count") != inherited {
				t.Errorf("at %v: %s", c.at, tree.Raw)
			}
			if now := tree.Header.Get("ETag"); (now != tag) != c.turns {
				t.Errorf("at %v the validator went from %s to %s", c.at, tag, now)
			}
			tag = tree.Header.Get("ETag")
		}
	})
}

// TestTreesCountHolders: the counts of trees follow assignments and switches, and so does the
// validator.
func TestTreesCountHolders(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		tag := ""
		counted := func(want ...int) {
			t.Helper()
			a := w.Must(200, "GET", w.at+"/nodes", nil, "If-None-Match", tag)
			tag = a.Header.Get("ETag")
			var got []int
			path := []string{"data", "tree", "0"}
			for range 3 {
				at := func(field string) int { return number(a, append(slices.Clone(path), field)...) }
				got = append(got, at("direct_count"), at("inherited_count"))
				path = append(path, "children", "0")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff, a.Raw)
			}
			way := w.Must(200, "GET", w.at+"/nodes/"+w.office+"/path", nil)
			branch := w.Must(200, "GET", w.at+"/nodes/"+w.north+"/branch", nil)
			sub := w.Must(200, "GET", w.at+"/nodes/"+w.office+"/tree", nil)
			for field, n := range map[string]int{"direct_count": want[4], "inherited_count": want[5]} {
				if number(way, "items", "2", field) != n || number(branch, "items", "0", field) != n ||
					number(sub, "data", field) != n {
					t.Errorf("%s: %s, %s, %s, want %d", field, way.Raw, branch.Raw, sub.Raw, n)
				}
			}
		}
		counted(0, 0, 1, 0, 0, 1)
		w.Assign(w.at, w.ann, w.office, w.reader)
		bob := w.Person(w.at, "bob")
		w.Assign(w.at, bob, w.root, w.reader)
		w.Assign(w.at, bob, w.root, w.writer)
		counted(1, 0, 1, 1, 1, 2)
		w.Must(200, "POST", w.at+"/identities/"+bob+"/deactivate", nil)
		counted(0, 0, 1, 0, 1, 1)
		w.Must(204, "DELETE", w.at+"/assignments/"+w.id, nil)
		counted(0, 0, 0, 0, 1, 0)
		w.Must(304, "GET", w.at+"/nodes", nil, "If-None-Match", tag)
	})
}

// directory is where the Account of an Environment keeps its identities.
func directory(environment string) string {
	account, _, _ := strings.Cut(environment, "/applications/")
	return account + "/identities/"
}

// TestListsFollowAName: who is renamed through the directory is found and sorted by the new
// name.
func TestListsFollowAName(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		count := func(q string) int {
			return number(w.Must(200, "GET", w.at+"/assignments/app-wide?q="+q, nil), "pagination", "item_count")
		}
		if count("ann") != 1 || count("zelda") != 0 {
			t.Error("ann is not found")
		}
		w.Must(200, "PATCH", directory(w.at)+w.ann, m{"first_name": "Zelda", "last_name": "Straße"})
		if count("zelda") != 1 || count(url.QueryEscape("STRASSE")) != 1 || count("doe") != 0 {
			t.Error("Zelda is not found by her names")
		}
	})
}

// TestBadListsOfHolders: each bad value is refused by its name.
func TestBadListsOfHolders(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		common := []string{
			"page=0", "page=x", "take=0", "take=101", "q=" + strings.Repeat("x", 201), "order=up", "role_id=x", "role_id=",
			"status=open", "status=", "source_node_id=7", "sort_by=email",
		}
		for list, bad := range map[string][]string{
			"/assignments/app-wide": append([]string{
				"sort_by=access_type", "identity_id=ann", "under_node_id=root", "expires_before=tomorrow",
				"expires_before=2027-01-01", "expires_before=", "under_node_id=00000000-0000-0000-0000-000000000000",
			}, common...),
			"/nodes/" + w.office + "/identities": append([]string{
				"sort_by=effective_to", "access_type=both", "access_type=",
			}, common...),
		} {
			for _, one := range bad {
				name, _, _ := strings.Cut(one, "=")
				a := w.Must(400, "GET", w.at+list+"?"+one, nil)
				if a.Code() != "validation" || !strings.HasPrefix(a.Text("error", "details", "0"), name+" ") {
					t.Errorf("%s?%s: %s", list, one, a.Raw)
				}
			}
			unknown := "?role_id=" + servertest.NoID + "&source_node_id=" + servertest.NoID
			if a := w.Must(200, "GET", w.at+list+unknown, nil); number(a, "pagination", "item_count") != 0 {
				t.Error(a.Raw)
			}
		}
		for _, path := range []string{"/nodes/x/identities", "/nodes/" + servertest.NoID + "/identities/summary"} {
			if a := w.Must(404, "GET", w.at+path, nil); a.Code() != "nodes.node_not_found" {
				t.Error(a.Raw)
			}
		}
	})
}

// TestWhoMayListHolders: each list has its right; another Environment's ids are unknown.
func TestWhoMayListHolders(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		w := newStaffed(p)
		all, here := "/assignments/app-wide", "/nodes/"+w.office+"/identities"
		for scopes, open := range map[string]string{
			"rbac.view_assignments": all, "hierarchy.view": here, "hierarchy.view hierarchy.manage": here,
			"rbac.manage_assignments rbac.view_roles identity.view hierarchy.manage": "",
		} {
			key := w.Key(w.at, strings.Fields(scopes)...)
			for _, path := range []string{all, all + "/summary", here, here + "/summary"} {
				want := 403
				if open != "" && strings.HasPrefix(path, open) {
					want = 200
				}
				a := s.Client().Must(want, "GET", "/api/v1"+path, nil, "X-API-Key", key)
				if strings.HasSuffix(path, "/summary") && want == 200 && open == here &&
					a.At("data", "can_manage_assignments") != strings.Contains(scopes, "hierarchy.manage") {
					t.Errorf("%s: %s", scopes, a.Raw)
				}
			}
		}
		other, at := owned(p)
		other.Tree(at)
		for _, filter := range []string{
			"role_id=" + w.reader, "identity_id=" + w.ann, "source_node_id=" + w.north,
			"under_node_id=" + w.root,
		} {
			if a := other.Must(200, "GET", at+all+"?"+filter, nil); fmt.Sprint(a.At("items")) != "[]" {
				t.Errorf("%s: %s", filter, a.Raw)
			}
		}
		for _, path := range []string{here, here + "/summary"} {
			if a := other.Must(404, "GET", at+path, nil); a.Code() != "nodes.node_not_found" {
				t.Error(a.Raw)
			}
		}
	})
}
