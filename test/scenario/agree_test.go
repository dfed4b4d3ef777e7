package scenario_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

var seed = flag.Uint64("seed", 0, "make the one world of TestAllWaysToAskAgree that this number stands for")

// TestAllWaysToAskAgree: in random small worlds each way to ask gives the same verdict for
// every identity, permission and node, and an independent implementation agrees:
//
//	evaluate, each item of bulk, explain, what an identity holds at the node
//	membership in accessible-nodes and in who-can
//	AuthZEN: evaluation, each item of evaluations, the three searches
//	the decision of an application that has grants and parents
func TestAllWaysToAskAgree(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			s := servertest.New(t, engine, nil)
			seeds := []uint64{*seed}
			if *seed == 0 {
				seeds = []uint64{rand.Uint64(), rand.Uint64(), rand.Uint64()}
			}
			for i, n := range seeds {
				t.Run(fmt.Sprint("seed ", n), func(t *testing.T) {
					all := turns{clock: s.Clock}
					all.free.L = &all.mu
					w := &web{t: t, s: s.For(t), turns: &all, email: fmt.Sprintf("a%d@acme.example", i), parts: map[string]bool{}}
					all.during(builtAt, func() { w.owner, w.account = w.s.Bootstrap(w.email, fmt.Sprint("World ", i)) })
					w.signedIn = builtAt
					g := randomWorld{rand.New(rand.NewPCG(n, 0))}
					newAgreement(t, w, g.changes()).hold()
				})
			}
		})
	}
}

// randomWorld makes small worlds.
type randomWorld struct{ *rand.Rand }

const someNodes, somePeople, someRoles = 6, 4, 4

var someKeys = []string{"key.one", "key.two", "key.three"}

// or is true but for one of n.
func (g randomWorld) mostly(n int) bool { return g.IntN(n) > 0 }

func called(kind string, n int) string { return fmt.Sprint(kind, n) }

func (g randomWorld) changes() (all []scenario.Change) {
	for _, key := range someKeys {
		all = append(all, scenario.PutPermission{Key: key})
	}
	for n := range someRoles {
		r := scenario.Role{Ref: called("Role", n), Name: called("Role", n), Active: g.mostly(4)}
		for _, key := range someKeys {
			if g.IntN(2) == 0 {
				r.Permissions = append(r.Permissions, key)
			}
		}
		all = append(all, scenario.PutRole{Role: r})
	}
	for n := range someNodes {
		at := scenario.Node{Name: called("Node", n), Active: n == 0 || g.mostly(6)}
		if n > 0 {
			at.Parent = called("Node", g.IntN(n))
		}
		all = append(all, scenario.PutNode{Node: at})
	}
	var people []string
	for n := range somePeople {
		who := scenario.Identity{Name: called("who", n), Active: n == 0 || g.mostly(5), Member: n == 0 || g.mostly(6)}
		all = append(all, scenario.PutIdentity{Identity: who})
		if who.Member { // who is removed has nothing any more
			people = append(people, who.Name)
		}
	}
	given := map[string]bool{}
	for range 9 {
		a := scenario.Assignment{
			Identity: people[g.IntN(len(people))], Node: called("Node", g.IntN(someNodes)),
			Role: called("Role", g.IntN(someRoles)),
		}
		a.Ref = a.Role + " of " + a.Identity + " at " + a.Node
		if given[a.Ref] {
			continue
		}
		given[a.Ref] = true
		switch g.IntN(6) {
		case 0:
			a.From = builtAt.Add(time.Duration(g.IntN(3)-1) * time.Millisecond)
		case 1:
			a.Until = builtAt.Add(time.Duration(g.IntN(3)-1) * time.Millisecond)
		}
		all = append(all, scenario.PutAssignment{Assignment: a})
	}
	return all
}

// agreement compares what one world is told in all ways.
type agreement struct {
	t      *testing.T
	e      *webEnvironment
	oracle scenario.Environment

	identities, nodes, keys []string
	parents                 map[string]string // ids, as an application has them
}

func newAgreement(t *testing.T, w *web, changes []scenario.Change) *agreement {
	t.Helper()
	e, _ := w.New().(*webEnvironment)
	a := &agreement{t: t, e: e, oracle: scenario.Named(newPlain).New(), parents: map[string]string{}}
	for _, to := range []scenario.Environment{a.e, a.oracle} {
		if err := to.Apply(changes); err != nil {
			t.Fatal(err)
		}
	}
	for n := range somePeople {
		a.identities = append(a.identities, called("who", n))
	}
	for n := range someNodes {
		a.nodes = append(a.nodes, called("Node", n))
	}
	a.identities, a.nodes = append(a.identities, `"nobody"`), append(a.nodes, `"nowhere"`)
	a.keys = append(slices.Clone(someKeys), "audit.view", "key.none")
	for _, edge := range list(a.e.must(200, "GET", "/nodes/parents", nil).At("items")) {
		a.parents[edge["id"].(string)], _ = edge["parent_node_id"].(string)
	}
	return a
}

func (a *agreement) hold() {
	var body []m
	var want []bool
	for _, who := range a.identities {
		for _, key := range a.keys {
			reach := a.e.Nodes(who, key, builtAt)
			found := a.search("resource", m{"subject": a.subject(who), "action": m{"name": key}, "resource": m{"type": "node"}})
			anywhere := a.verdict(scenario.Question{Identity: who, Permission: key, Anywhere: true, Now: builtAt})
			if (len(reach.Nodes) > 0) != anywhere.Allowed || reach.Reason != anywhere.Reason {
				a.t.Errorf("%s %s: %+v, but where: %+v", who, key, anywhere, reach)
			}
			for _, at := range a.nodes {
				q := scenario.Question{Identity: who, Permission: key, Node: at, Now: builtAt}
				v := a.verdict(q)
				a.explained(q, v)
				a.same(q, "accessible-nodes", slices.Contains(reach.Nodes, at), v)
				a.same(q, "search for resources", slices.Contains(found, a.e.id("node", at)), v)
				a.same(q, "decided locally", a.locally(q), v)
				body, want = append(body, a.standard(q)), append(want, v.Allowed)
			}
		}
	}
	a.others()
	many := a.post("evaluations", m{"evaluations": body})
	for i, of := range list(many.At("evaluations")) {
		if of["decision"] != want[i] {
			a.t.Errorf("AuthZEN, among many: %v is answered %v", body[i], of)
		}
	}
}

// others asks who may, and what somebody may.
func (a *agreement) others() {
	for _, at := range a.nodes {
		held := map[string][]string{}
		for _, who := range a.identities {
			here := m{"type": "unit", "id": a.e.id("node", at)}
			held[who] = a.search("action", m{"subject": a.subject(who), "resource": here})
		}
		for _, key := range a.keys {
			can := a.e.Who(key, at, builtAt)
			found := a.search("subject", m{
				"subject": m{"type": "user"}, "action": m{"name": key}, "resource": m{"type": "node", "id": a.e.id("node", at)},
			})
			for _, who := range a.identities {
				q := scenario.Question{Identity: who, Permission: key, Node: at, Now: builtAt}
				v := a.oracle.Evaluate(q)
				a.same(q, "who-can", can.Holders[who] != nil, v)
				a.same(q, "search for subjects", slices.Contains(found, a.e.id("identity", who)), v)
				a.same(q, "search for actions", slices.Contains(held[who], key), v)
			}
		}
	}
}

func (a *agreement) same(q scenario.Question, way string, allowed bool, want scenario.Verdict) {
	a.t.Helper()
	if allowed != want.Allowed {
		a.t.Errorf("%v: %+v, but %s: %v", q, want, way, allowed)
	}
}

// verdict is that of evaluate, which is the oracle's, and AuthZEN's.
func (a *agreement) verdict(q scenario.Question) scenario.Verdict {
	a.t.Helper()
	v, want := a.e.Evaluate(q), a.oracle.Evaluate(q)
	if v.Allowed != want.Allowed || v.Reason != want.Reason || !slices.Equal(v.Roles, want.Roles) {
		a.t.Errorf("%v: %+v, the oracle: %+v", q, v, want)
	}
	one := a.post("evaluation", a.standard(q))
	if one.At("decision") != v.Allowed || one.Text("context", "denial_reason") != v.Reason ||
		!slices.Equal(texts(one.At("context", "granting_roles")), v.Roles) {
		a.t.Errorf("%v: %+v, AuthZEN: %s", q, v, one.Raw)
	}
	return v
}

// explained compares a verdict with its explanation.
func (a *agreement) explained(q scenario.Question, v scenario.Verdict) {
	a.t.Helper()
	why := a.e.send(builtAt, "POST", "/permissions/evaluate/explain", m{
		"identity_id": a.e.id("identity", q.Identity), "permission": q.Permission, "node_id": a.e.id("node", q.Node),
	})
	switch code := why.Code(); {
	case code == "identities.not_found" && v.Reason == "identity_not_found":
	case code == "nodes.node_not_found": // which comes before the state of the person
		a.same(q, code, false, v)
	case why.Status != 200 || why.At("data", "allowed") != v.Allowed || why.Text("data", "denial_reason") != v.Reason:
		a.t.Errorf("%v: %+v, explained: %s", q, v, why.Raw)
	}
}

// locally decides as an application does that has grants and parents.
func (a *agreement) locally(q scenario.Question) bool {
	grants, _ := a.e.Grants(q.Identity, q.Now)
	at := a.e.id("node", q.Node)
	for {
		above, live := a.parents[at]
		switch {
		case !live:
			return false
		case slices.Contains(grants.Nodes[q.Permission], a.e.called[at]):
			return true
		}
		at = above
	}
}

func (a *agreement) subject(who string) m {
	return m{"type": "identity", "id": a.e.id("identity", who)}
}

// standard is a question in the words of AuthZEN.
func (a *agreement) standard(q scenario.Question) m {
	resource := m{"type": "application"}
	if !q.Anywhere {
		resource = m{"type": "unit", "id": a.e.id("node", q.Node)}
	}
	return m{"subject": a.subject(q.Identity), "action": m{"name": q.Permission}, "resource": resource}
}

// post calls an operation of AuthZEN.
func (a *agreement) post(path string, body m) (got servertest.Answer) {
	a.t.Helper()
	a.e.turns.during(builtAt, func() {
		got = a.e.s.Client().Must(200, "POST", "/access/v1/"+path, body, "X-API-Key", a.e.key)
	})
	return got
}

// search gives the ids or names of all results, which come in short pages.
func (a *agreement) search(what string, body m) (found []string) {
	a.t.Helper()
	turn := m{"limit": 3}
	body["page"] = turn
	for {
		got := a.post("search/"+what, body)
		for _, of := range list(got.At("results")) {
			if name, is := of["name"].(string); is {
				found = append(found, name)
			} else {
				found = append(found, of["id"].(string))
			}
		}
		if turn["token"] = got.At("page", "next_token"); turn["token"] == "" {
			break
		}
	}
	all := slices.Sorted(slices.Values(found))
	if diff := cmp.Diff(slices.Compact(slices.Clone(all)), all); diff != "" {
		a.t.Errorf("%v finds something twice:\n%s", body, diff)
	}
	return found
}
