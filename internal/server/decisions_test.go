package server_test

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// decisionRoute is a route by which decisions are asked for.
type decisionRoute struct {
	method, path string
	body         func(a asking) m // nil: it has none
	limit        string           // the limit that it counts under; "" for none
	needs        []string         // the scopes that a key needs, all of them
	looks        bool             // it reads names beside what is held in memory
	elsewhere    string           // what a key of another Environment is told: a code, or a reason
}

// paths is the route's path about somebody.
func (r decisionRoute) of(a asking) string { return strings.Replace(r.path, "{id}", a.who, 1) }

// ask calls the route with a key.
func (r decisionRoute) ask(a asking, key string, header ...string) answer {
	var body any
	if r.body != nil {
		body = r.body(a)
	}
	return r.send(a, key, body, header...)
}

func (r decisionRoute) send(a asking, key string, body any, header ...string) answer {
	if key != "" {
		header = append(header, "X-API-Key", key)
	}
	return a.s.Client().Do(r.method, r.of(a), body, header...)
}

var (
	evaluates = []string{"permissions.evaluate"}
	views     = []string{"identity.view"}
	bothOf    = []string{"permissions.evaluate", "identity.view"}
)

// decisionRoutes are all of them, by name.
var decisionRoutes = map[string]decisionRoute{
	"evaluate": {
		"POST", "/api/v1/permissions/evaluate", func(a asking) m { return a.at(a.node) }, "evaluate", evaluates, false,
		"identity_not_found",
	},
	"bulk": {
		"POST", "/api/v1/permissions/evaluate/bulk", func(a asking) m { return m{"checks": []m{a.at(a.node)}} },
		"evaluate_bulk", evaluates, false, "identity_not_found",
	},
	"explain": {
		"POST", "/api/v1/permissions/evaluate/explain", func(a asking) m {
			return m{"identity_id": a.who, "permission": "lease.read", "node_id": a.node}
		}, "explain", evaluates, true, "identities.not_found",
	},
	"accessible-nodes": {
		"POST", "/api/v1/permissions/accessible-nodes", func(a asking) m {
			return m{"identity_id": a.who, "permission": "lease.read"}
		}, "evaluate", evaluates, false, "identity_not_found",
	},
	"who-can": {
		"POST", "/api/v1/permissions/who-can", func(a asking) m {
			return m{"permission": "lease.read", "node_id": a.node}
		}, "evaluate", bothOf, true, "node_not_found",
	},
	"permissions": {"GET", "/api/v1/identities/{id}/permissions", nil, "", views, false, "identities.not_found"},
	"grants":      {"GET", "/api/v1/identities/{id}/grants", nil, "", views, false, "identities.not_found"},
	"AuthZEN evaluation": {
		"POST", "/access/v1/evaluation", asking.standard, "evaluate", evaluates, false, "identity_not_found",
	},
	"AuthZEN evaluations": {
		"POST", "/access/v1/evaluations", func(a asking) m {
			return m{"evaluations": []m{a.standard()}}
		}, "evaluate_bulk", evaluates, false, "identity_not_found",
	},
	"AuthZEN search of subjects": {
		"POST", "/access/v1/search/subject", asking.standard, "evaluate", bothOf, false, `"results":[]`,
	},
	"AuthZEN search of resources": {
		"POST", "/access/v1/search/resource", asking.standard, "evaluate", evaluates, false, `"results":[]`,
	},
	"AuthZEN search of a type": {
		"POST", "/access/v1/search/resource", func(a asking) m {
			body := a.standard()
			body["resource"] = m{"type": "region"}
			return body
		}, "evaluate", evaluates, true, `"results":[]`,
	},
	"AuthZEN search of actions": {
		"POST", "/access/v1/search/action", asking.standard, "evaluate", evaluates, false, `"results":[]`,
	},
}

// standard is the question of at, in the words of AuthZEN.
func (a asking) standard() m {
	return m{
		"subject": m{"type": "identity", "id": a.who}, "action": m{"name": "lease.read"},
		"resource": m{"type": "node", "id": a.node},
	}
}

// newAsking is somebody who may read leases at a node.
func newAsking(t *testing.T, s *servertest.Server) (a asking) {
	t.Helper()
	ofAsking(func(made asking) answer {
		a = made
		return answer{}
	})(newGround(t, s, s.Provoker()))
	return a
}

// TestDecisionsAreLimited: each route counts under its limit and no other, per Environment,
// whichever route asks; what is refused before does not count.
func TestDecisionsAreLimited(t *testing.T) {
	t.Parallel()
	for _, limit := range []string{"evaluate", "evaluate_bulk", "explain"} {
		t.Run(limit, func(t *testing.T) {
			t.Parallel()
			var counted, others []string
			for name, r := range decisionRoutes {
				if r.limit == limit {
					counted = append(counted, name)
				} else {
					others = append(others, name)
				}
			}
			slices.Sort(counted)
			set := func(s *config.Settings) { s.RateLimits = limit + "=" + strconv.Itoa(len(counted)+1) + "/1h" }
			servertest.Each(t, set, func(t *testing.T, s *servertest.Server) {
				a := newAsking(t, s)
				key, weak := a.owner.Key(a.ground.at, bothOf...), a.owner.Key(a.ground.at, "audit.view")
				for _, name := range counted {
					r := decisionRoutes[name]
					answers(t, name+" with a body that is none", r.send(a, key, "[]"), 400, "validation")
					answers(t, name+" without the right", r.ask(a, weak), 403, "auth.permission_denied")
					answers(t, name, r.ask(a, key), 200, "")
				}
				first := decisionRoutes[counted[0]]
				twin := strings.Replace(first.path, "/api/v1", a.ground.at, 1)
				answers(t, "in the portal", a.owner.Do(first.method, twin, first.body(a)), 200, "")
				for _, name := range counted {
					r := decisionRoutes[name]
					over := r.ask(a, key)
					answers(t, name+" once more", over, 429, "rate_limit.exceeded")
					for _, header := range []string{
						"Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
					} {
						if over.Header.Get(header) == "" {
							t.Errorf("%s: no %s", name, header)
						}
					}
					answers(t, name+" with a body that is none, over the limit", r.send(a, key, "[]"), 400, "validation")
				}
				answers(t, "in the portal once more", a.owner.Do(first.method, twin, first.body(a)), 429, "rate_limit.exceeded")
				for _, name := range others {
					answers(t, name+", which counts elsewhere", decisionRoutes[name].ask(a, key), 200, "")
				}
				production := a.owner.Key(strings.Replace(a.ground.at, "development", "production", 1))
				if other := first.ask(a, production); other.Status == 429 {
					t.Errorf("another Environment: %s", other.Raw)
				}
			})
		})
	}
}

// answers holds an answer to a status and a code.
func answers(t *testing.T, what string, a answer, status int, code string) {
	t.Helper()
	if a.Status != status || a.Code() != code {
		t.Errorf("%s: %d %s", what, a.Status, a.Raw)
	}
}

// TestBoundedDecisions: each of them takes Canopy-Consistency and says what it stands on: new
// proofs, else those of a moment within the bound. One that reads names needs the store.
func TestBoundedDecisions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		a := newAsking(t, s)
		key := a.owner.Key(a.ground.at, bothOf...)
		const header, bounded = "Canopy-Consistency", "bounded; max-age=5"
		revision := map[string]string{}
		for name, r := range decisionRoutes {
			for _, asked := range []string{"strict", bounded} {
				fresh := r.ask(a, key, header, asked)
				revision[name] = fresh.Header.Get("Canopy-Revision")
				if fresh.Status != 200 || fresh.Header.Get(header) != "strict" || revision[name] == "" {
					t.Errorf("%s, %s: %d %v", name, asked, fresh.Status, fresh.Header)
				}
			}
		}
		if s.DB.Engine != database.Postgres {
			return // where one process writes, there is always a proof
		}
		dbtest.Exec(t, s.DB, `ALTER TABLE revision RENAME TO revision_lost`)
		s.Clock.Advance(2 * time.Second)
		for name, r := range decisionRoutes {
			if strict := r.ask(a, key); strict.Status < 500 {
				t.Errorf("%s, strict without a proof: %d %s", name, strict.Status, strict.Raw)
			}
			old := r.ask(a, key, header, bounded)
			told, has := old.Header.Get(header), old.Header.Get("Canopy-Revision")
			switch {
			case r.looks && old.Status < 500:
				t.Errorf("%s, with names of no moment: %d %s", name, old.Status, old.Raw)
			case !r.looks && (old.Status != 200 || !strings.HasPrefix(told, "bounded; age=2.") || has != revision[name]):
				t.Errorf("%s, without a proof: %d %v %s", name, old.Status, old.Header, old.Raw)
			}
		}
	})
}

// TestMalformedConsistency: it is refused by name, once it is known that the caller may ask;
// what is no decision does not look at the header.
func TestMalformedConsistency(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		a := newAsking(t, s)
		key, weak := a.owner.Key(a.ground.at, bothOf...), a.owner.Key(a.ground.at, "audit.view")
		const header = "Canopy-Consistency"
		want := []any{header + " must be strict, or bounded; max-age= and 1 to 300 whole seconds"}
		for name, r := range decisionRoutes {
			for _, bad := range []string{"", "bounded", "bounded; max-age=0", "bounded; max-age=301", "eventual", "Strict"} {
				refused := r.ask(a, key, header, bad)
				answers(t, name+" "+bad, refused, 400, "validation")
				if diff := cmp.Diff(any(want), refused.At("error", "details")); diff != "" {
					t.Errorf("%s %q: %s", name, bad, diff)
				}
			}
			answers(t, name+" without the right", r.ask(a, weak, header, "bad"), 403, "auth.permission_denied")
			answers(t, name+" by nobody", r.ask(a, "", header, "bad"), 401, "auth.invalid_token")
		}
		preview := a.owner.Do("POST", a.ground.at+"/access-preview",
			m{"change": m{"kind": "environment.revert_to_flat"}}, header, "bad")
		if preview.Status != 200 || preview.Header.Get(header) != "" {
			t.Errorf("a preview: %d %v", preview.Status, preview.Header)
		}
	})
}

// TestWhoMayAskForDecisions: a key needs each of the scopes, and learns nothing of what is
// wrong with its call while it lacks one.
func TestWhoMayAskForDecisions(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		a := newAsking(t, s)
		keys := map[string]string{}
		for _, scopes := range [][]string{evaluates, views, bothOf, {"audit.view"}} {
			keys[strings.Join(scopes, " ")] = a.owner.Key(a.ground.at, scopes...)
		}
		full := a.owner.Key(a.ground.at)
		for name, r := range decisionRoutes {
			answers(t, name+" with full access", r.ask(a, full), 200, "")
			for scopes, key := range keys {
				may := !slices.ContainsFunc(r.needs, func(s string) bool { return !strings.Contains(scopes, s) })
				status, code, bad := 403, "auth.permission_denied", 403
				if may {
					status, code, bad = 200, "", 400
				}
				answers(t, name+" with "+scopes, r.ask(a, key), status, code)
				if r.method == http.MethodGet {
					continue
				}
				for what, body := range map[string]any{
					"no JSON": "{", "another body": m{"limit": "x"}, "nothing": "",
				} {
					if got := r.send(a, key, body); got.Status != bad {
						t.Errorf("%s with %s and %s: %d %s", name, scopes, what, got.Status, got.Raw)
					}
				}
				if got := r.send(a, key, "x", "Content-Type", "text/plain"); got.Status != bad && got.Status != 415 ||
					!may && got.Status != 403 {
					t.Errorf("%s with %s and a text: %d %s", name, scopes, got.Status, got.Raw)
				}
			}
		}
	})
}

// TestDecisionsOfAnotherEnvironment: to a key of another Environment all that is here is
// unknown, and no header leads it here.
func TestDecisionsOfAnotherEnvironment(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		a := newAsking(t, s)
		key := a.owner.Key(strings.Replace(a.ground.at, "development", "production", 1))
		for name, r := range decisionRoutes {
			if there := r.ask(a, key); !strings.Contains(there.Raw, r.elsewhere) || strings.Contains(there.Raw, a.root) {
				t.Errorf("%s: %d %s", name, there.Status, there.Raw)
			}
			named := r.ask(a, key, "X-Canopy-Environment", "development")
			answers(t, name+" with the slug", named, 404, "environments.not_found")
		}
	})
}
