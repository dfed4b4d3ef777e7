package replicas_test

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// history is what clients did and were told. It is safe for concurrent use.
type history struct {
	mu      sync.Mutex
	writes  []written
	reads   []asked
	entries []entry
	counts  map[string]int // of calls, by what became of them; they are not forgotten
}

// written is a write that was answered with 2xx.
type written struct {
	what     string
	revision uint64
	ended    time.Time
	meaning  func(*oracle.World)
}

// asked is a question that was answered with 200.
type asked struct {
	question decide.Question
	told     decide.Decision
	revision uint64
	// since is when it was begun, less the age of what it may stand on: what was answered
	// before has to be in it.
	since, ended time.Time
}

// entry is a call that was let in by its credential, or not.
type entry struct {
	by           *credential
	let          bool
	what         string
	since, ended time.Time // as in asked
}

func (h *history) count(what string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.counts == nil {
		h.counts = map[string]int{}
	}
	h.counts[what]++
}

// judge is the world as it was at each revision in turn.
type judge struct {
	t        testing.TB
	db       *database.DB
	scope    id.ID
	revision uint64
	stamp    string
	// meant is what the answered writes mean, and the kept changes where there is none; kept is
	// what the kept changes say alone.
	meant, kept *oracle.World
}

// newJudge begins at the revision of the world's first rows.
func newJudge(t testing.TB, c *cluster, w *world) *judge {
	t.Helper()
	address := c.url
	if strings.HasPrefix(address, "postgres") {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set("application_name", "judge")
		u.RawQuery = q.Encode()
		address = u.String()
	}
	db, err := database.Look(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	j := &judge{t: t, db: db, revision: w.revision, meant: w.first.Clone(), kept: w.first.Clone()}
	j.view(func(tx *database.Tx) error {
		if err := tx.QueryRow(t.Context(), `SELECT environment_id FROM api_key`).Scan(&j.scope); err != nil {
			return err
		}
		return tx.QueryRow(t.Context(), `SELECT stamp FROM revision WHERE scope_id = $1`, j.scope).Scan(&j.stamp)
	})
	return j
}

func (j *judge) view(fn func(*database.Tx) error) {
	j.t.Helper()
	if err := database.View(j.t.Context(), j.db, fn); err != nil {
		j.t.Fatal(err)
	}
}

// step is one revision as it was kept.
type step struct {
	stamp, before string
	kinds         []revision.Kind
	changes       []decide.Change
}

// steps reads the kept changes behind a revision.
func (j *judge) steps() map[uint64]*step {
	j.t.Helper()
	steps := map[uint64]*step{}
	j.view(func(tx *database.Tx) error {
		clear(steps)
		return tx.Query(j.t.Context(), func(row database.Scanner) error {
			var number uint64
			var s step
			var kind revision.Kind
			var subject id.ID
			var body []byte
			if err := row.Scan(&number, &s.stamp, &s.before, &kind, &subject, &body); err != nil {
				return err
			}
			if steps[number] == nil {
				steps[number] = &s
			}
			c, err := edits.Of(kind, subject, body)
			if c != nil {
				steps[number].changes = append(steps[number].changes, c)
			}
			steps[number].kinds = append(steps[number].kinds, kind)
			return err
		}, `SELECT revision, stamp, stamp_before, kind, subject_id, body FROM change
			WHERE scope_id = $1 AND revision > $2 ORDER BY revision, ordinal`, j.scope, j.revision)
	})
	return steps
}

// hear judges a history, after which nobody writes any more, and forgets it.
func (j *judge) hear(h *history) {
	j.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	j.admission(h)
	j.order(h)
	steps := j.steps()
	claims := map[uint64][]written{}
	for _, one := range h.writes {
		claims[one.revision] = append(claims[one.revision], one)
	}
	slices.SortFunc(h.reads, func(a, b asked) int { return cmp.Compare(a.revision, b.revision) })
	reads := j.compare(h.reads)
	last := max(j.revision, slices.Max(append(slices.Collect(maps.Keys(steps)), 0)))
	for j.revision < last && !j.t.Failed() {
		j.next(steps[j.revision+1], claims[j.revision+1])
		reads = j.compare(reads)
	}
	if len(reads) > 0 && !j.t.Failed() {
		j.t.Errorf("an answer of revision %d, and the last is %d", reads[0].revision, last)
	}
	h.writes, h.reads, h.entries = nil, nil, nil
}

// next takes one revision.
func (j *judge) next(s *step, claims []written) {
	j.revision++
	if s == nil || s.before != j.stamp {
		j.t.Errorf("revision %d does not follow %s: %+v", j.revision, j.stamp, s)
		return
	}
	j.stamp = s.stamp
	j.kept.Apply(decide.Edit{Changes: s.changes})
	var whats []string
	for _, one := range claims {
		// A write that finds nothing to change answers the revision of the one before it.
		before := j.meant.Clone()
		if one.meaning(j.meant); !same(before, j.meant) {
			whats = append(whats, one.what)
		}
	}
	if len(whats) == 0 { // nobody was told; it happened all the same
		j.meant.Apply(decide.Edit{Changes: s.changes})
	}
	if !same(j.meant, j.kept) {
		j.t.Errorf("revision %d, by %q: what it means (-) is not what was kept of it (+): %s", j.revision, whats,
			gocmp.Diff(j.meant, j.kept))
	}
}

// same reports whether two worlds have the same rows.
func same(a, b *oracle.World) bool {
	return maps.Equal(a.Permissions, b.Permissions) && maps.EqualFunc(a.Roles, b.Roles, sameRole) &&
		maps.Equal(a.Nodes, b.Nodes) && maps.Equal(a.Members, b.Members) && maps.Equal(a.Assignments, b.Assignments)
}

func sameRole(a, b decide.Role) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Active == b.Active &&
		slices.Equal(slices.Sorted(slices.Values(a.Permissions)), slices.Sorted(slices.Values(b.Permissions)))
}

// compare holds the answers of the present revision to the oracle, and gives the others.
func (j *judge) compare(reads []asked) []asked {
	for len(reads) > 0 && reads[0].revision == j.revision {
		a := reads[0]
		reads = reads[1:]
		want := j.meant.Evaluate(a.question, 0)
		if want.Allowed != a.told.Allowed || want.Reason != a.told.Reason ||
			!slices.Equal(want.GrantingRoles, a.told.GrantingRoles) {
			j.t.Errorf("at revision %d %+v was answered %+v, and is %+v", j.revision, a.question, a.told, want)
			return reads
		}
	}
	if len(reads) > 0 && reads[0].revision < j.revision {
		j.t.Errorf("an answer is of revision %d, before all that was judged", reads[0].revision)
		return nil
	}
	return reads
}

// admission holds every call to the lives of its credential.
func (j *judge) admission(h *history) {
	for _, e := range h.entries {
		may, must := e.by.may(e.since, e.ended)
		if e.let && !may || !e.let && must {
			j.t.Errorf("%s, from %s to %s, let in: %t, and its credential was good %v", e.what, clock(e.since),
				clock(e.ended), e.let, e.by.lives)
			return
		}
	}
}

// order holds every answer to those that were there before it was asked for.
func (j *judge) order(h *history) {
	type end struct {
		at       time.Time
		revision uint64
		what     string
	}
	ends := make([]end, 0, len(h.writes)+len(h.reads))
	for _, w := range h.writes {
		ends = append(ends, end{w.ended, w.revision, w.what})
	}
	for _, r := range h.reads {
		ends = append(ends, end{r.ended, r.revision, "an answer"})
	}
	slices.SortFunc(ends, func(a, b end) int { return a.at.Compare(b.at) })
	for i := 1; i < len(ends); i++ {
		if ends[i].revision < ends[i-1].revision {
			ends[i].revision, ends[i].what = ends[i-1].revision, ends[i-1].what
		}
	}
	for _, r := range h.reads {
		n, _ := slices.BinarySearchFunc(ends, r.since, func(e end, at time.Time) int { return e.at.Compare(at) })
		if n > 0 && ends[n-1].revision > r.revision {
			j.t.Errorf("stale: an answer of revision %d, which may be as it was %v after %s of revision %d", r.revision,
				r.since.Sub(ends[n-1].at), ends[n-1].what, ends[n-1].revision)
			return
		}
	}
}
