package authzenapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// results are all results of a search, page by page, in pages of a length.
func (w *world) results(t *testing.T, what string, body m, limit int) (list []any) {
	t.Helper()
	turn := m{"limit": limit, "more": m{}}
	for {
		a := w.Must(200, "POST", search+what, with(body, "page", turn))
		some, _ := a.At("results").([]any)
		if a.At("page", "count") != float64(len(some)) || len(some) > limit {
			t.Errorf("%s", a.Raw)
		}
		list = append(list, some...)
		next, told := a.At("page", "next_token").(string)
		if !told {
			t.Fatal(a.Raw)
		}
		if next == "" {
			return list
		}
		turn["token"] = next
	}
}

func entities(kind string, ids ...string) (list []any) {
	for _, id := range ids {
		list = append(list, m{"type": kind, "id": id})
	}
	return list
}

// TestSearch: all three, in short pages and in long ones.
func TestSearch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.Assign(w.at, w.ben, w.first, w.reader)
		who, all := []string{w.ann, w.ben}, []string{w.north, w.first, w.second}
		slices.Sort(who)
		writer := w.Role(w.at, "Writer")
		w.Must(200, "PUT", w.at+"/roles/"+writer+"/permissions", m{"permission_keys": []string{"lease.sign"}})
		w.Assign(w.at, w.ann, w.second, writer)
		of := func(kind string) m { return m{"type": kind} }
		one, offices := entities("identity", w.ann), entities("office", w.first, w.second)
		sign, desk := action("lease.sign"), entities("application", w.application())
		for what, c := range map[string]struct {
			path string
			body m
			want []any
		}{
			"who":                 {"subject", w.asking("subject", of("identity")), entities("identity", who...)},
			"who, as users":       {"subject", w.asking("subject", m{"type": "user", "id": 7}), entities("user", who...)},
			"who above":           {"subject", w.asking("resource", at(w.north)), entities("identity", w.ann)},
			"who anywhere":        {"subject", w.asking("resource", anywhere()), entities("identity", who...)},
			"who does something":  {"subject", w.asking("resource", anywhere(), "action", sign), one},
			"who at nothing":      {"subject", w.asking("resource", at("nowhere")), nil},
			"who does nothing":    {"subject", w.asking("action", action("lease.none")), nil},
			"robots":              {"subject", w.asking("subject", of("robot")), nil},
			"where":               {"resource", w.asking(), entities("node", all...)},
			"where, offices":      {"resource", w.asking("resource", m{"type": "office", "id": nil}), offices},
			"where, regions":      {"resource", w.asking("resource", of("region")), entities("region", w.north)},
			"where, no such type": {"resource", w.asking("resource", of("planet")), nil},
			"where, application":  {"resource", w.asking("resource", of("application")), desk},
			"where, not at all":   {"resource", w.asking("resource", of("application"), "action", action("audit.view")), nil},
			"where nobody":        {"resource", w.asking("subject", subject("nobody")), nil},
			"where a robot":       {"resource", w.asking("subject", m{"type": "robot", "id": w.ann}), nil},
			"what":                {"action", w.asking("action", nothing), []any{m{"name": "lease.read"}}},
			"what at the other": {
				"action", w.asking("action", 7, "resource", at(w.second)), []any{m{"name": "lease.read"}, m{"name": "lease.sign"}},
			},
			"what anywhere": {
				"action", w.asking("resource", anywhere()), []any{m{"name": "lease.read"}, m{"name": "lease.sign"}},
			},
			"what above":      {"action", w.asking("resource", at(w.root)), nil},
			"what at nothing": {"action", w.asking("resource", at("x")), nil},
			"what of nobody":  {"action", w.asking("subject", subject("x")), nil},
			"what of a robot": {"action", w.asking("subject", m{"type": "robot", "id": w.ann}), nil},
		} {
			for _, limit := range []int{1, 2, 1000} {
				if diff := cmp.Diff(c.want, w.results(t, c.path, c.body, limit)); diff != "" {
					t.Errorf("%s, %d at once: %s", what, limit, diff)
				}
			}
		}
		w.Must(200, "POST", w.at+"/identities/"+w.ann+"/deactivate", nil)
		for _, what := range []string{"resource", "action"} {
			if got := w.results(t, what, w.asking(), 10); got != nil {
				t.Errorf("%s: of somebody who is switched off: %v", what, got)
			}
		}
	})
}

// application is the id of the Application.
func (w *world) application() string {
	path, _, _ := strings.Cut(w.at, "/environments/")
	return w.Must(200, "GET", path, nil).Text("data", "id")
}

// TestSearchOfARareType looks past many nodes of another type.
func TestSearchOfARareType(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		var want []string
		for i := range 4 {
			region := w.Node(w.at, w.root, "region", fmt.Sprintf("R%d", i))
			for j := range 3 {
				want = append(want, w.Node(w.at, region, "office", fmt.Sprintf("O%d", j)))
			}
		}
		want = append(want, w.first, w.second)
		w.Assign(w.at, w.ben, w.root, w.reader)
		body := w.asking("subject", subject(w.ben), "resource", m{"type": "office"})
		for _, limit := range []int{1, 3, 14, 100} {
			var got []string
			for _, of := range w.results(t, "resource", body, limit) {
				got = append(got, of.(m)["id"].(string))
			}
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%d at once: %s", limit, diff)
			}
		}
	})
}

// TestTokensAreOfTheirQuestion: one of another question, another search or another
// Environment is refused by name, and so is what is none.
func TestTokensAreOfTheirQuestion(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.Assign(w.at, w.ben, w.root, w.reader)
		writer := w.Role(w.at, "Writer")
		w.Must(200, "PUT", w.at+"/roles/"+writer+"/permissions", m{"permission_keys": []string{"lease.sign"}})
		w.Assign(w.at, w.ann, w.first, writer)
		token := map[string]string{}
		for _, what := range []string{"subject", "resource", "action"} {
			a := w.Must(200, "POST", search+what, w.asking("page", m{"limit": 1}))
			if token[what] = a.Text("page", "next_token"); token[what] == "" {
				t.Fatalf("%s: %s", what, a.Raw)
			}
		}
		office := w.asking("resource", m{"type": "office"})
		rare := w.Must(200, "POST", search+"resource", with(office, "page", m{"limit": 1})).Text("page", "next_token")
		elsewhere := []string{"X-Canopy-Environment", "production"}
		use := func(of string, body m) m { return with(body, "page", m{"token": of}) }
		for what, c := range map[string]struct {
			path   string
			body   m
			header []string
		}{
			"another action":     {"subject", use(token["subject"], w.asking("action", action("lease.sign"))), nil},
			"another node":       {"subject", use(token["subject"], w.asking("resource", at(w.second))), nil},
			"anywhere":           {"subject", use(token["subject"], w.asking("resource", anywhere())), nil},
			"another type":       {"subject", use(token["subject"], w.asking("subject", m{"type": "user"})), nil},
			"of resources":       {"subject", use(token["resource"], w.asking()), nil},
			"of actions":         {"resource", use(token["action"], w.asking()), nil},
			"another subject":    {"resource", use(token["resource"], w.asking("subject", subject(w.ben))), nil},
			"of all nodes":       {"resource", use(token["resource"], office), nil},
			"of some nodes":      {"resource", use(rare, w.asking()), nil},
			"of subjects":        {"action", use(token["subject"], w.asking()), nil},
			"another resource":   {"action", use(token["action"], w.asking("resource", at(w.second))), nil},
			"subjects elsewhere": {"subject", use(token["subject"], w.asking()), elsewhere},
			"nodes elsewhere":    {"resource", use(token["resource"], w.asking()), elsewhere},
			"actions elsewhere":  {"action", use(token["action"], w.asking()), elsewhere},
			"made up":            {"resource", use("x", w.asking()), nil},
			"too long":           {"action", use(strings.Repeat("A", 5000), w.asking()), nil},
		} {
			a := w.Do("POST", search+c.path, c.body, c.header...)
			want := []any{"page.token must be the next_token of an answer to the same question"}
			if diff := cmp.Diff(want, a.At("error", "details")); a.Status != 400 || a.Code() != "validation" || diff != "" {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
		first := w.Must(200, "POST", search+"subject", w.asking("page", m{"token": "", "limit": nil}))
		if first.At("page", "count") != 2. {
			t.Errorf("an empty token: %s", first.Raw)
		}
		for _, limit := range []any{0, 1001, -1, "5", 1.5} {
			a := w.Do("POST", search+"subject", w.asking("page", m{"limit": limit}))
			told := a.Text("error", "details", "0")
			if a.Status != 400 || !strings.HasPrefix(told, "page.limit must be ") {
				t.Errorf("limit %v: %d %s", limit, a.Status, a.Raw)
			}
		}
		for _, turn := range []any{7, "x", []any{}} {
			if a := w.Do("POST", search+"action", w.asking("page", turn)); a.Status != 400 {
				t.Errorf("page %v: %d %s", turn, a.Status, a.Raw)
			}
		}
	})
}

// TestMalformedSearch names the member that is missing; what is searched for needs its type
// alone.
func TestMalformedSearch(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		for what, problems := range map[string]map[string]m{
			"subject": {
				"subject is required":      w.asking("subject", nothing),
				"subject.type is required": w.asking("subject", m{"id": w.ann}),
				"action is required":       w.asking("action", nothing),
				"resource is required":     w.asking("resource", nothing),
				"resource.id is required":  w.asking("resource", m{"type": "node"}),
			},
			"resource": {
				"subject.id is required":    w.asking("subject", m{"type": "user"}),
				"action.name is required":   w.asking("action", m{}),
				"resource is required":      w.asking("resource", nothing),
				"resource.type is required": w.asking("resource", m{"id": w.first}),
			},
			"action": {
				"subject is required":        w.asking("subject", nothing),
				"resource.id is required":    w.asking("resource", m{"type": "node"}),
				"resource must be an object": w.asking("resource", []any{}),
			},
		} {
			for problem, body := range problems {
				a := w.Do("POST", search+what, body)
				if diff := cmp.Diff([]any{problem}, a.At("error", "details")); a.Status != 400 || diff != "" {
					t.Errorf("%s: %d %s", what, a.Status, a.Raw)
				}
			}
		}
	})
}
