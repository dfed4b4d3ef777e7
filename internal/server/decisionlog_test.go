package server_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// logging runs fn against servers of both engines that write decisions; lines gives those
// written since the last time.
func logging(t *testing.T, mode string, fn func(t *testing.T, a asking, lines func() []m)) {
	t.Helper()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "decisions")
			a := newAsking(t, servertest.New(t, engine, func(s *config.Settings) {
				s.DecisionLog, s.DecisionLogTo = mode, path
			}))
			fn(t, a, func() (list []m) {
				a.s.WriteDecisions()
				raw, err := os.ReadFile(path)
				if err == nil {
					err = os.Truncate(path, 0)
				}
				if err != nil {
					t.Fatal(err)
				}
				for line := range bytes.Lines(raw) {
					var one m
					if err := json.Unmarshal(line, &one); err != nil {
						t.Fatal(err)
					}
					list = append(list, one)
				}
				return list
			})
		})
	}
}

// TestDecisionLog: each answer by which somebody may let in or show something leaves its line,
// whichever way and door it was asked through; what is refused leaves none.
func TestDecisionLog(t *testing.T) {
	t.Parallel()
	logging(t, "all", func(t *testing.T, a asking, lines func() []m) {
		key := a.owner.Key(a.ground.at, bothOf...)
		line := func(kind string, more ...any) m {
			l := m{
				"kind": kind, "environment_id": a.environmentID(), "identity_id": a.who, "permission": "lease.read",
				"scope": "node", "node_id": a.node, "denial_reason": nil, "caller": "api_key",
			}
			for i := 0; i < len(more); i += 2 {
				l[more[i].(string)] = more[i+1]
			}
			return l
		}
		given := []any{"allowed", true, "granting_roles", []any{"Reader"}}
		verdict := line("decision", given...)
		whatever := []any{"permission", nil, "scope", "app_wide", "node_id", nil, "found", 1.}
		want := map[string]m{
			"evaluate": verdict, "bulk": verdict, "AuthZEN evaluation": verdict, "AuthZEN evaluations": verdict,
			"explain":                     line("explanation", given...),
			"accessible-nodes":            line("nodes", "scope", "app_wide", "node_id", nil, "found", 1.),
			"AuthZEN search of resources": line("nodes", "scope", "app_wide", "node_id", nil, "found", 1.),
			"AuthZEN search of a type":    line("nodes", "scope", "app_wide", "node_id", nil, "found", 1.),
			"who-can":                     line("people", "identity_id", nil, "found", 1.),
			"AuthZEN search of subjects":  line("people", "identity_id", nil, "found", 1.),
			"AuthZEN search of actions":   line("permissions", "permission", nil, "found", 1.),
			"permissions":                 line("permissions", whatever...),
			"grants":                      line("grants", whatever...),
		}
		for name, r := range decisionRoutes {
			got := r.ask(a, key)
			answers(t, name, got, 200, "")
			written := lines()
			for _, one := range written {
				if one["revision"] != got.Header.Get("Canopy-Revision") || one["request_id"] != got.Header.Get("X-Request-Id") ||
					one["caller_id"] == nil || one["time"] == nil {
					t.Errorf("%s: %v, answered with %v", name, one, got.Header)
				}
				for _, member := range []string{"revision", "request_id", "caller_id", "time"} {
					delete(one, member)
				}
			}
			if diff := cmp.Diff([]m{want[name]}, written); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
			r.ask(a, key, "Canopy-Consistency", "eventual")
			r.ask(a, a.owner.Key(a.ground.at, "audit.view"))
			r.send(a, key, "[")
			if written = lines(); len(written) > 0 && r.method != "GET" {
				t.Errorf("%s, refused: %v", name, written)
			}
		}
		a.owner.Must(200, "POST", a.ground.at+"/permissions/evaluate", a.at(a.node))
		a.owner.Must(200, "POST", a.ground.at+"/access-preview", m{"change": m{"kind": "environment.revert_to_flat"}})
		if written := lines(); len(written) != 1 || written[0]["caller"] != "user" {
			t.Errorf("in the portal: %v", written)
		}
	})
}

// TestBulkIsLoggedAsAnswered: each check once, in its order, and none of a call that turns out
// to be malformed, however far it was good.
func TestBulkIsLoggedAsAnswered(t *testing.T) {
	t.Parallel()
	logging(t, "all", func(t *testing.T, a asking, lines func() []m) {
		key := a.owner.Key(a.ground.at, bothOf...)
		send := func(body any) answer {
			return a.s.Client().Do("POST", "/api/v1/permissions/evaluate/bulk", body, "X-API-Key", key)
		}
		asked := func() (list []string) {
			for _, l := range lines() {
				list = append(list, fmt.Sprint(l["scope"], " ", l["node_id"], " ", l["allowed"]))
			}
			return list
		}
		here, above := a.at(a.node), a.at(a.root)
		unplain := a.anywhere("é") // is left to the ordinary way
		for what, c := range map[string]struct {
			body   any
			status int
			want   []string
		}{
			"good": {
				m{"checks": []m{here, above, here}},
				200,
				[]string{"node " + a.node + " true", "node " + a.root + " false", "node " + a.node + " true"},
			},
			"that is left": {
				m{"checks": []m{here, unplain}}, 200, []string{"node " + a.node + " true", "app_wide <nil> false"},
			},
			"with a malformed one": {m{"checks": []m{here, here, {"scope": "node"}}}, 400, nil},
			"too many":             {m{"checks": slices.Repeat([]m{here}, 1001)}, 400, nil},
			"with more behind":     {`{"checks":[` + text(t, here) + `]}x`, 400, nil},
			"with more beside":     {`{"checks":[` + text(t, here) + `],"x":1}`, 400, nil},
		} {
			if got := send(c.body); got.Status != c.status {
				t.Errorf("%s: %d %s", what, got.Status, got.Raw)
			}
			if diff := cmp.Diff(c.want, asked()); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
	})
}

func text(t *testing.T, body m) string {
	t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestDenialsAloneAreLogged: with denied, a list counts as one where nothing was found.
func TestDenialsAloneAreLogged(t *testing.T) {
	t.Parallel()
	logging(t, "denied", func(t *testing.T, a asking, lines func() []m) {
		key := a.owner.Key(a.ground.at, bothOf...)
		for name, r := range decisionRoutes {
			answers(t, name, r.ask(a, key), 200, "")
		}
		if written := lines(); len(written) > 0 {
			t.Errorf("allowed: %v", written)
		}
		body := m{"identity_id": a.who, "permission": "lease.none"}
		nodes := a.s.Client().Do("POST", "/api/v1/permissions/accessible-nodes", body, "X-API-Key", key)
		answers(t, "nodes", nodes, 200, "")
		body = m{"permission": "lease.read", "node_id": a.root}
		answers(t, "people", a.s.Client().Do("POST", "/api/v1/permissions/who-can", body, "X-API-Key", key), 200, "")
		answers(t, "there", a.s.Client().Do("POST", "/api/v1/permissions/evaluate", a.at(a.root), "X-API-Key", key), 200, "")
		var got []string
		for _, l := range lines() {
			got = append(got, fmt.Sprint(l["kind"], " ", l["denial_reason"]))
		}
		want := []string{"nodes permission_unknown", "people <nil>", "decision no_assignment"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestExplanationsOfOtherInstants are logged as of when they were asked, with the instant
// beside.
func TestExplanationsOfOtherInstants(t *testing.T) {
	t.Parallel()
	logging(t, "all", func(t *testing.T, a asking, lines func() []m) {
		body := m{
			"identity_id": a.who, "permission": "lease.read", "node_id": a.node, "at": "2040-01-01T00:00:00.000Z",
		}
		a.owner.Must(200, "POST", a.ground.at+"/permissions/evaluate/explain", body)
		written := lines()
		year := a.s.Clock.Now().UTC().Format(time.DateOnly)
		if len(written) != 1 || written[0]["as_of"] != body["at"] || !strings.HasPrefix(written[0]["time"].(string), year) {
			t.Errorf("%v", written)
		}
	})
}
