package decision_test

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestTwoReadersShareNodes: each node is of exactly one of them, wherever they meet.
func TestTwoReadersShareNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		nodes := make([]id.ID, rapid.IntRange(0, 40).Draw(t, "nodes"))
		for i := range nodes {
			nodes[i] = id.ID{byte(i / 7), byte(i%7 + 1)}
		}
		up, down := decision.Meeting()
		had := make([]int, len(nodes))
		low, high := 0, len(nodes)-1
		for low >= 0 || high >= 0 {
			if high < 0 || low >= 0 && rapid.Bool().Draw(t, "up") {
				if low == len(nodes) || !up(nodes[low]) {
					low = -1
					continue
				}
				had[low]++
				low++
				continue
			}
			if !down(nodes[high]) {
				high = -1
				continue
			}
			had[high]++
			high--
		}
		for i, n := range had {
			if n != 1 {
				t.Fatalf("%d nodes: node %d has %d readers", len(nodes), i, n)
			}
		}
	})
}

// TestLoadReadsEachGrantOnce: with many nodes, of which some have several grants.
func TestLoadReadsEachGrantOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		t.Parallel()
		w := newWorld(t, db)
		const people = 4
		var at []hierarchy.ID
		for i := range 30 {
			at = append(at, w.node(w.root, fmt.Sprintf("Node %d", i)))
		}
		given := 0
		for i := range people {
			one := w.person(fmt.Sprintf("p%d", i))
			for k := i; k < len(at); k += 1 + i {
				w.must(w.give(one, at[k], w.role, assignment.Always))
				given++
			}
		}
		for range 5 {
			var said shout
			p := w.on(db)
			p.Log = slog.New(slog.NewTextHandler(&said, nil))
			n, err := p.Load(t.Context(), w.in)
			w.must(err)
			if n != given {
				t.Errorf("%d of %d assignments", n, given)
			}
			if text := said.String(); text != "" {
				t.Error(text)
			}
		}
	})
}

// shout keeps what is logged.
type shout struct {
	mu sync.Mutex
	strings.Builder
}

func (s *shout) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Builder.Write(b)
}
