package scenario_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// prepared are the worlds of which some part does not go through the public API, with the
// parts. Everything else of every world does.
var prepared = map[string][]string{
	"window-before-1970":        {finerThanTheWire},
	"window-edited":             {finerThanTheWire},
	"window-of-one-microsecond": {finerThanTheWire},
	"window-start":              {finerThanTheWire},
	"inactive-everything":       {removedAndAssigned},
	"roles-sorted-by-bytes":     {alikeButForCase},
	"strangers":                 {namedByNothing},
}

// TestScenariosOverHTTP makes every world in a running server by calls of the public API and
// of the portal, has the server's clock stand where the world's stands, and asks
//
//	evaluate, evaluate/bulk and evaluate/explain
//	identities/{id}/permissions and identities/{id}/grants
//	accessible-nodes and who-can
//
// A change is asked about as soon as its answer is there. One server serves all worlds of an
// engine, each in an Account of its own and in a new Environment whenever it begins again.
//
// What an edit would give or take has no route yet: the pure engine answers it, which is told
// all changes too. An edit section is one call after the other, and no transaction. Organizations
// are ordinary nodes here, as they are in the worlds; the model of access plays no part in
// decisions, so that of a flat Environment with organizations is a hierarchy.
func TestScenariosOverHTTP(t *testing.T) {
	t.Parallel()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			all := &webs{s: servertest.New(t, engine, nil), ran: map[string][]string{}}
			all.turns.clock = all.s.Clock
			all.turns.free.L = &all.turns.mu
			list := files(t)
			t.Run("worlds", func(t *testing.T) {
				for _, file := range list {
					t.Run(strings.TrimSuffix(file, ".txtar"), func(t *testing.T) {
						t.Parallel()
						all.run(t, file)
					})
				}
			})
			if len(all.ran) != len(list) || len(list) < 51 {
				t.Errorf("%d of %d worlds ran", len(all.ran), len(list))
			}
			needed := map[string][]string{}
			for world, parts := range all.ran {
				if len(parts) > 0 {
					needed[world] = parts
				}
			}
			if diff := cmp.Diff(prepared, needed); diff != "" {
				t.Errorf("what does not go through the API (-want +got):\n%s", diff)
			}
			if all.asked < 400 {
				t.Errorf("only %d questions were asked", all.asked)
			}
			t.Logf("%d worlds, %d questions, %d more left to the engine; %d worlds needed another door",
				len(all.ran), all.asked, all.left, len(needed))
		})
	}
}

// webs are the worlds of one server.
type webs struct {
	s     *servertest.Server
	turns turns

	mu    sync.Mutex
	ran   map[string][]string // by world: which parts needed another door
	asked int                 // over HTTP
	left  int                 // to the pure engine
}

// run makes one world and asks its questions.
func (all *webs) run(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	name := strings.TrimSuffix(file, ".txtar")
	w := &web{t: t, s: all.s.For(t), turns: &all.turns, email: name + "@acme.example", parts: map[string]bool{}}
	w.turns.during(builtAt, func() {
		w.owner, w.account = w.s.Bootstrap(w.email, name)
		w.signedIn = builtAt
	})
	r, err := scenario.Run(text, w)
	if err != nil {
		t.Fatal(err)
	}
	if r.Asked == 0 || r.DoorOnly > 0 {
		t.Errorf("%d questions are asked, %d are not", r.Asked, r.DoorOnly)
	}
	for _, wrong := range r.Wrong {
		t.Error(wrong)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.ran[name] = slices.Sorted(maps.Keys(w.parts))
	all.asked += r.Asked - w.left
	all.left += w.left
}

// builtAt is when worlds are built. Most of them are asked at this time, too, so that they
// need not wait for each other.
var builtAt = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// turns lets those who need the clock to show the same act side by side, and has the others
// wait for them.
type turns struct {
	clock *servertest.Clock

	mu     sync.Mutex
	free   sync.Cond
	at     time.Time
	inside int
}

func (t *turns) during(at time.Time, do func()) {
	t.mu.Lock()
	for t.inside > 0 && !t.at.Equal(at) {
		t.free.Wait()
	}
	t.at = at
	t.clock.Stop(at)
	t.inside++
	t.mu.Unlock()
	defer func() { // a failed test leaves, too
		t.mu.Lock()
		defer t.mu.Unlock()
		t.inside--
		t.free.Broadcast()
	}()
	do()
}

// web is one world in a running server.
type web struct {
	t        *testing.T
	s        *servertest.Server
	turns    *turns
	owner    *servertest.Client
	email    string
	account  string // its slug
	signedIn time.Time
	begun    int
	parts    map[string]bool // what needed another door
	left     int             // questions left to the pure engine
}

// portal calls as the owner, who signs in anew where the clock has moved on.
func (w *web) portal(now time.Time, status int, method, path string, body any) (a servertest.Answer) {
	w.t.Helper()
	w.turns.during(now, func() {
		if !w.signedIn.Equal(now) {
			w.owner.SignIn(w.email)
			w.signedIn = now
		}
		a = w.owner.Must(status, method, "/portal/v1/accounts/"+w.account+path, body)
	})
	return a
}
