package decide_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// The ids that a small world knows, one that it does not know, and the zero id.
func everyNode() []id.ID {
	list := []id.ID{{}}
	for n := range someNodes + 1 {
		list = append(list, nodeID(n+1))
	}
	return list
}

func everyMember() []id.ID {
	list := []id.ID{{}}
	for n := range someMembers + 1 {
		list = append(list, memberID(n+1))
	}
	return list
}

func everyKey() []string { return []string{"key.1", "key.2", "key.3", "key.4", "key.5"} }

func TestSnapshotAnswersLikeTheOracle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, answersLikeTheOracle)
}

func answersLikeTheOracle(t *rapid.T) {
	w := drawWorld(t)
	checkAll(t, w, build(t, w, 1), drawInstant(t))
}

// checkAll asks every question about everything.
func checkAll(t *rapid.T, w *oracle.World, s *decide.Snapshot, now decide.Instant) {
	var questions []decide.Question
	for _, m := range everyMember() {
		for _, key := range everyKey() {
			questions = append(questions, decide.Question{Identity: m, Permission: key, Scope: decide.AppWide})
			for _, n := range everyNode() {
				questions = append(questions, decide.Question{Identity: m, Permission: key, Node: n})
				trace := s.Explain(m, key, n, now)
				same(t, "explain", w.Explain(m, key, n, now), trace)
			}
			checkReach(t, w, s, m, key, now)
		}
		wantKeys, want := w.Held(m, now)
		keys, ok := s.Permissions(m, now)
		same(t, "permissions", wantKeys, keys)
		wantGrants, wantOK := w.Grants(m, now)
		grants, grantsOK := s.Grants(m, now)
		same(t, "grants", wantGrants, grants)
		same(t, "found", []bool{want, wantOK}, []bool{ok, grantsOK})
		checkPermissionsAt(t, w, s, m, now, want)
	}
	for i, d := range s.Bulk(questions, now, nil) {
		want := w.Evaluate(questions[i], now)
		same(t, questions[i], want, d)
		same(t, questions[i], want, s.Evaluate(questions[i], now, nil))
		checkLocal(t, w, s, questions[i], now, want.Allowed)
	}
	for _, key := range everyKey() {
		for _, n := range everyNode() {
			checkWho(t, w, s, n, key, now)
		}
		checkWhoAnywhere(t, w, s, key, now)
	}
}

// checkWhoAnywhere finds page by page whom the oracle allows app_wide.
func checkWhoAnywhere(t *rapid.T, w *oracle.World, s *decide.Snapshot, key string, now decide.Instant) {
	var want, all []id.ID
	for _, m := range everyMember() {
		if w.Evaluate(decide.Question{Identity: m, Permission: key, Scope: decide.AppWide}, now).Allowed {
			want = append(want, m)
		}
	}
	slices.SortFunc(want, func(a, b id.ID) int { return bytes.Compare(a[:], b[:]) })
	limit := rapid.IntRange(0, 3).Draw(t, "limit")
	for after := (id.ID{}); ; {
		page, next := s.WhoCanAnywhere(key, after, limit, now)
		all = append(all, page...)
		if after = next; next.IsZero() {
			break
		}
		if len(page) != max(limit, 1) {
			t.Fatalf("a page of %d identities is not the last", len(page))
		}
	}
	same(t, "who anywhere", want, all)
}

// checkPermissionsAt finds at every node the keys for which the oracle allows there.
func checkPermissionsAt(t *rapid.T, w *oracle.World, s *decide.Snapshot, m id.ID, now decide.Instant, member bool) {
	for _, n := range everyNode() {
		keys, isMember, known := s.PermissionsAt(m, n, now)
		var want []string
		exists := true
		for _, key := range everyKey() {
			d := w.Evaluate(decide.Question{Identity: m, Permission: key, Node: n}, now)
			if d.Allowed {
				want = append(want, key)
			}
			exists = exists && d.Reason != decide.NodeNotFound
		}
		same(t, "is a member", member, isMember)
		if !member {
			continue
		}
		if len(want) > 0 || len(keys) > 0 {
			same(t, "keys at a node", want, keys)
		}
		if !known {
			same(t, "without the node", 0, len(want))
		}
		if !exists {
			same(t, "known", false, known)
		}
	}
}

// checkLocal decides like an application that has the identity's grants and the
// parents of all live nodes.
func checkLocal(t *rapid.T, w *oracle.World, s *decide.Snapshot, q decide.Question, now decide.Instant, want bool) {
	list, _ := s.Grants(q.Identity, now)
	allowed := false
	for _, g := range list.Grants {
		if g.Permission != q.Permission {
			continue
		}
		if q.Scope == decide.AppWide {
			allowed = true
		} else if w.Live(q.Node) {
			for _, n := range w.Lineage(q.Node) {
				allowed = allowed || slices.Contains(g.Nodes, n)
			}
		}
	}
	if allowed != want {
		t.Errorf("%+v: decided locally %v, by the oracle %v", q, allowed, want)
	}
}

func checkReach(t *rapid.T, w *oracle.World, s *decide.Snapshot, m id.ID, key string, now decide.Instant) {
	roots, nodes := w.Accessible(m, key, now)
	var all []id.ID
	q := decide.ReachQuery{Identity: m, Permission: key, Limit: rapid.IntRange(0, 4).Draw(t, "limit")}
	for {
		page := s.AccessibleNodes(q, now)
		same(t, "roots", roots, page.Roots)
		want := w.Evaluate(decide.Question{Identity: m, Permission: key, Scope: decide.AppWide}, now)
		same(t, "reason", want.Reason, page.Reason)
		all = append(all, page.Nodes...)
		if page.Next == nil {
			break
		}
		if len(page.Nodes) != max(q.Limit, 1) {
			t.Fatalf("a page of %d nodes is not the last", len(page.Nodes))
		}
		q.After = page.Next
	}
	same(t, "pages", nodes, all)
	same(t, "iterator", nodes, slices.Collect(s.Reachable(m, key, now)))
}

func checkWho(t *rapid.T, w *oracle.World, s *decide.Snapshot, n id.ID, key string, now decide.Instant) {
	var all []decide.Holder
	q := decide.WhoQuery{Node: n, Permission: key, Limit: rapid.IntRange(0, 3).Draw(t, "limit")}
	for {
		page := s.WhoCan(q, now)
		switch _, there := w.Nodes[n]; {
		case !there:
			same(t, "reason", decide.NodeNotFound, page.Reason)
		case !w.Live(n):
			same(t, "reason", decide.NodeInactive, page.Reason)
		case !w.Permissions[key]:
			same(t, "reason", decide.PermissionUnknown, page.Reason)
		default:
			same(t, "reason", decide.None, page.Reason)
		}
		all = append(all, page.Holders...)
		if page.Next.IsZero() {
			break
		}
		if len(page.Holders) != max(q.Limit, 1) {
			t.Fatalf("a page of %d holders is not the last", len(page.Holders))
		}
		q.After = page.Next
	}
	same(t, "who", w.WhoCan(n, key, now), all)
}

func TestBuilderLeavesOutContradictions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, leavesOutContradictions)
}

func leavesOutContradictions(t *rapid.T) {
	raw := drawRows(t)
	var b decide.Builder
	raw.TellAll(&b)
	s, problems := b.Build(1)
	w := raw.World()
	want := dump(t, build(t, w, 1))
	if diff := cmp.Diff(want, dump(t, s)); diff != "" {
		t.Fatalf("sound rows alone (-), all rows (+):\n%s", diff)
	}
	if left := raw.Len() - w.Len(); left > 0 && len(problems) == 0 {
		t.Errorf("%d rows were left out, and no problem is reported", left)
	}
	now := drawInstant(t)
	for _, m := range everyMember() {
		for _, n := range everyNode() {
			q := decide.Question{Identity: m, Permission: "key.1", Node: n}
			same(t, q, w.Evaluate(q, now), s.Evaluate(q, now, nil))
		}
	}
}

func TestEditedSnapshotEqualsBuiltOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, editedEqualsBuilt)
}

func editedEqualsBuilt(t *rapid.T) {
	w := drawWorld(t)
	s := build(t, w, 0)
	type version struct {
		s    *decide.Snapshot
		dump string
	}
	versions := []version{{s, dump(t, s)}}
	for revision := range uint64(rapid.IntRange(1, 12).Draw(t, "edits")) {
		e := drawEdit(t, revision+1)
		problems := w.Apply(e)
		next, reported := s.Apply(e)
		if len(reported) != problems {
			t.Fatalf("%+v: oracle finds %d problems, engine %+v", e, problems, reported)
		}
		if next.Revision() != e.Revision {
			t.Fatalf("revision %d, want %d", next.Revision(), e.Revision)
		}
		text := dump(t, next)
		if diff := cmp.Diff(dump(t, build(t, w, e.Revision)), text); diff != "" {
			t.Fatalf("after %+v: built (-), edited (+):\n%s", e, diff)
		}
		versions = append(versions, version{next, text})
		s = next
	}
	for i, v := range versions {
		if diff := cmp.Diff(v.dump, decide.Dump(v.s)); diff != "" {
			t.Fatalf("snapshot %d was changed by later edits:\n%s", i, diff)
		}
	}
	checkAll(t, w, s, drawInstant(t))
}

func TestImpactIsTheDifferenceThatAnEditMakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, impactIsTheDifference)
}

func impactIsTheDifference(t *rapid.T) {
	w := drawWorld(t)
	s := build(t, w, 1)
	e := drawEdit(t, 2)
	after := w.Clone()
	problems := after.Apply(e)
	now := drawInstant(t)

	gains, losses := map[oracle.Access]bool{}, map[oracle.Access]bool{}
	until := map[id.ID]decide.Instant{}
	first := decide.Forever
	q := decide.ImpactQuery{Edit: e, Limit: rapid.IntRange(0, 3).Draw(t, "limit")}
	var last id.ID
	for {
		page := s.Impact(q, now)
		if len(page.Problems) != problems {
			t.Fatalf("%d problems, want %d", len(page.Problems), problems)
		}
		first = min(first, page.Until)
		for _, i := range page.Impacts {
			if slices.Compare(last[:], i.Identity[:]) >= 0 {
				t.Fatalf("%s comes after %s", i.Identity, last)
			}
			last = i.Identity
			until[i.Identity] = i.Until
			expand(t, after, i.Identity, i.Gains, gains)
			expand(t, w, i.Identity, i.Losses, losses)
		}
		if page.Next.IsZero() {
			break
		}
		q.After = page.Next
	}
	wantGains, wantLosses := w.Difference(after, now)
	same(t, "gains", wantGains, gains)
	same(t, "losses", wantLosses, losses)
	wantUntil, wantFirst := w.DifferenceUntil(after, now), decide.Forever
	for u, got := range until {
		want, changes := wantUntil[u]
		if !changes {
			want = decide.Forever
		}
		same(t, "until", want, got)
	}
	for _, at := range wantUntil {
		wantFirst = min(wantFirst, at)
	}
	same(t, "first", wantFirst, first)
}

// expand adds what the areas stand for. No area may be empty, and no two may
// overlap.
func expand(t *rapid.T, w *oracle.World, identity id.ID, areas []decide.Area, into map[oracle.Access]bool) {
	for _, area := range areas {
		all := w.Expand(identity, area)
		if len(all) == 0 {
			t.Errorf("%+v is empty", area)
		}
		for _, x := range all {
			if into[x] {
				t.Errorf("%+v is in two areas", x)
			}
			into[x] = true
		}
	}
}
