package eventsapi_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// place is an Account with two Environments, and keys of both.
type place struct {
	owner                     *servertest.Client
	account, here, there      string
	key, keyThere             string
	environment, environment2 string // ids
}

func newPlace(p provoker) (w place) {
	w.owner, w.account = p.Owner()
	w.here = w.account + "/applications/desk/environments/development"
	w.there = w.account + "/applications/desk/environments/production"
	w.key, w.keyThere = w.owner.Key(w.here), w.owner.Key(w.there)
	w.environment = w.owner.Must(200, "GET", w.here, nil).Text("data", "id")
	w.environment2 = w.owner.Must(200, "GET", w.there, nil).Text("data", "id")
	return w
}

// actions are those of a page, as it lists them.
func actions(a answer) (list []string) {
	for _, row := range a.At("items").([]any) {
		list = append(list, row.(m)["action"].(string))
	}
	return list
}

func (w *place) person(at, email string) string {
	body := m{"email": email, "first_name": "Dana", "last_name": "Cole"}
	return w.owner.Must(201, "POST", at+"/identities", body).Text("data", "id")
}

// Each surface and reach has its own rows: the public API those about end users in the key's
// Environment alone, the portal all of the Account on the surface asked.
func TestSurfacesAndReach(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPlace(s.Provoker())
		w.person(w.here, "dana@acme.com")
		w.person(w.there, "omar@acme.com")
		w.owner.Must(201, "POST", w.here+"/roles", m{"name": "Reader"})
		emails := func(a answer) (list []string) {
			for _, row := range a.At("items").([]any) {
				if row.(m)["action"] == "identity.created" {
					list = append(list, row.(m)["resource_label"].(string))
				}
			}
			slices.Sort(list)
			return list
		}
		byKey := func(key string) answer {
			return s.Client().Must(200, "GET", "/api/v1/audit-events", nil, "X-API-Key", key)
		}
		both := []string{"dana@acme.com", "omar@acme.com"}
		for what, c := range map[string]struct {
			of   answer
			want []string
			role bool
		}{
			"a key":          {byKey(w.key), []string{"dana@acme.com"}, false},
			"another key":    {byKey(w.keyThere), []string{"omar@acme.com"}, false},
			"a user":         {w.owner.Must(200, "GET", "/api/v1/audit-events", nil), []string{"dana@acme.com"}, false},
			"the identities": {w.owner.Must(200, "GET", w.account+"/audit-log/identities", nil), both, false},
			"the admins":     {w.owner.Must(200, "GET", w.account+"/audit-log/admin?limit=200", nil), both, true},
		} {
			if diff := cmp.Diff(c.want, emails(c.of)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
			if has := slices.Contains(actions(c.of), "role.created"); has != c.role {
				t.Errorf("%s: a role is there: %v", what, has)
			}
		}
		elsewhere := "/api/v1/audit-events?environment_id=" + w.environment2
		if a := s.Client().Must(200, "GET", elsewhere, nil, "X-API-Key", w.key); len(actions(a)) != 0 {
			t.Errorf("another Environment's id finds %s", a.Raw)
		}
	})
}

// What a key of one Environment, or the owner of one Account, learns of another's rows by id,
// filter and cursor: nothing.
func TestRowsOfOthersAreOutOfReach(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		mine, other := newPlace(p), newPlace(p)
		who := mine.person(mine.here, "dana@acme.com")
		mine.person(mine.here, "omar@acme.com")
		first := s.Client().Must(200, "GET", "/api/v1/audit-events?limit=1", nil, "X-API-Key", mine.key)
		row, cursor := first.Text("items", "0", "id"), first.Text("pagination", "next_cursor")
		admin := mine.owner.Must(200, "GET", mine.account+"/audit-log/admin?limit=1", nil)
		adminRow, adminCursor := admin.Text("items", "0", "id"), admin.Text("pagination", "next_cursor")
		log := mine.account + "/audit-log"
		theirs := func(path string) answer { return other.owner.Do("GET", path, nil) }
		byKey := func(key, path string) answer {
			return s.Client().Do("GET", "/api/v1/audit-events"+path, nil, "X-API-Key", key)
		}
		for what, a := range map[string]answer{
			"the row by another key":            byKey(mine.keyThere, "/"+row),
			"the row by a stranger's key":       byKey(other.key, "/"+row),
			"the row by a stranger":             theirs(other.account + "/audit-log/identities/" + row),
			"a row of admins, of a stranger":    theirs(other.account + "/audit-log/admin/" + adminRow),
			"a row of admins by the key":        byKey(mine.key, "/"+adminRow),
			"a row of admins on the other side": mine.owner.Do("GET", mine.account+"/audit-log/identities/"+adminRow, nil),
		} {
			if a.Code() != "audit.row_not_found" {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
		for what, a := range map[string]answer{
			"the cursor by another key":         byKey(mine.keyThere, "?limit=1&cursor="+cursor),
			"the cursor by a stranger's key":    byKey(other.key, "?limit=1&cursor="+cursor),
			"the cursor in the portal":          mine.owner.Do("GET", mine.account+"/audit-log/identities?cursor="+cursor, nil),
			"a cursor of admins, of a stranger": theirs(other.account + "/audit-log/admin?cursor=" + adminCursor),
			"a cursor of the other surface":     mine.owner.Do("GET", log+"/identities?cursor="+adminCursor, nil),
			"a cursor with another filter":      byKey(mine.key, "?severity=info&cursor="+cursor),
			"a cursor with another text":        byKey(mine.key, "?q=x&cursor="+cursor),
		} {
			if a.Code() != "validation" {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
		for what, a := range map[string]answer{
			"by resource":    theirs(other.account + "/audit-log/identities?resource_id=" + who),
			"by Environment": theirs(other.account + "/audit-log/identities?environment_id=" + mine.environment),
			"by key":         byKey(other.key, "?resource_id="+who),
			"by text":        theirs(other.account + "/audit-log/admin?q=dana%40acme.com"),
		} {
			if a.Status != 200 || len(actions(a)) != 0 {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
	})
}

// Rows written after the first page, and the end of its window passing by, change nothing of
// the pages that follow.
func TestPagesKeepTheirWindow(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPlace(s.Provoker())
		for _, name := range []string{"a", "b", "c", "d"} {
			w.owner.Must(201, "POST", w.here+"/roles", m{"name": name})
		}
		email := w.owner.Must(200, "GET", "/v1/auth/me", nil).Text("data", "email")
		path := w.account + "/audit-log/admin?action=role.created&limit=3"
		want := w.owner.Must(200, "GET", w.account+"/audit-log/admin?action=role.created", nil).At("items").([]any)
		var got []any
		for cursor := ""; ; {
			a := w.owner.Must(200, "GET", path+"&cursor="+cursor, nil)
			got = append(got, a.At("items").([]any)...)
			if a.At("pagination", "next_cursor") == nil {
				break
			}
			cursor = a.Text("pagination", "next_cursor")
			w.owner.Must(201, "POST", w.here+"/roles", m{"name": "later " + cursor[:8] + cursor[len(cursor)-8:]})
			s.Clock.Advance(24 * time.Hour)
			w.owner.SignIn(email)
		}
		if diff := cmp.Diff(want, got); diff != "" || len(want) < 4 {
			t.Errorf("(-at once +page by page):\n%s", diff)
		}
	})
}

func TestQueriesThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		for _, query := range []string{
			"from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z", "from=2100-01-01T00:00:00Z", "from=today", "category=none",
			"severity=loud", "outcome=maybe", "actor_id=me", "resource_id=1", "correlation_id=x", "application_id=x",
			"environment_id=x", "limit=0", "limit=201", "cursor=x", "q=" + strings.Repeat("x", 201),
			"action=" + strings.Repeat("a,", 50) + "a",
		} {
			if a := c.Do("GET", account+"/audit-log/admin?"+query, nil); a.Code() != "validation" {
				t.Errorf("%s: %d %s", query, a.Status, a.Raw)
			}
		}
	})
}

// Whoever reads leaves a row, which says what was asked, and of a text only that there was one.
func TestReadingIsRecorded(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPlace(s.Provoker())
		w.person(w.here, "dana@acme.com")
		rows := w.owner.Must(200, "GET", w.account+"/audit-log/identities", nil)
		_ = eventtest.Actions(t, s.DB)
		q := url.Values{
			"q": {"Dana Cole"}, "action": {"identity.created", "role.created"}, "category": {"identity"},
			"from": {"2026-01-01T00:00:00+02:00"},
		}
		s.Client().Must(200, "GET", "/api/v1/audit-events?"+q.Encode(), nil, "X-API-Key", w.key)
		got := eventtest.Take(t, s.DB)
		want := `{"surface":"api","filter":{"from":"2025-12-31T22:00:00.000Z",` +
			`"action":["identity.created","role.created"],"category":"identity","q":true}}`
		if len(got) != 1 || got[0].Action != "audit.query.executed" || got[0].Metadata != want ||
			got[0].ActorType != "api_key" || got[0].Environment.String() != w.environment || got[0].Category != "audit" {
			t.Errorf("%v", got)
		}
		w.owner.Do("GET", w.account+"/audit-log/identities/"+rows.Text("items", "0", "id"), nil)
		if got := eventtest.Actions(t, s.DB); got != "" {
			t.Errorf("of a row that is gone there is %s", got)
		}
	})
}

// A row comes with the others of its request, and with what its actor did around that time.
func TestDetail(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newPlace(s.Provoker())
		w.person(w.here, "dana@acme.com") // several rows in one request
		log := w.account + "/audit-log/identities"
		rows := w.owner.Must(200, "GET", log+"?action=identity.created", nil)
		a := w.owner.Must(200, "GET", log+"/"+rows.Text("items", "0", "id"), nil)
		row := rows.At("items").([]any)[0].(m)
		for name, value := range row {
			if diff := cmp.Diff(value, a.At("data", name)); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
		for _, list := range []string{"related_by_correlation", "related_by_actor"} {
			beside := a.At("data", list).([]any)
			if len(beside) == 0 {
				t.Errorf("%s is empty: %s", list, a.Raw)
			}
			for _, one := range beside {
				if one.(m)["id"] == row["id"] {
					t.Errorf("%s holds the row itself", list)
				}
				if list == "related_by_correlation" && one.(m)["correlation_id"] != row["correlation_id"] {
					t.Errorf("a row of another request: %v", one)
				}
				if one.(m)["actor_id"] != row["actor_id"] {
					t.Errorf("a row of another actor: %v", one)
				}
			}
		}
	})
}
