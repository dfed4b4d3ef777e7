package secret

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/fault"
)

// waiters are calls of a pool, each of which works until it is told to end.
type waiters struct {
	p     *pool
	began []string // "lane network", in the order of their turns
	busy  []string
	ends  []func()
}

func (w *waiters) come(ctx context.Context, lane Lane, network string) {
	from := From{lane, network}
	name := fmt.Sprint(int(lane), " ", network)
	go func() {
		switch err := w.p.enter(ctx, from); {
		case err == nil:
			w.began = append(w.began, name)
			w.ends = append(w.ends, func() { w.p.leave(from) })
		case errors.Is(err, fault.Busy):
			w.busy = append(w.busy, name)
		}
	}()
	synctest.Wait()
}

// end ends the oldest work.
func (w *waiters) end() {
	done := w.ends[0]
	w.ends = w.ends[1:]
	done()
	synctest.Wait()
}

func (w *waiters) expect(t *testing.T, began ...string) {
	t.Helper()
	if diff := cmp.Diff(began, w.began); diff != "" {
		t.Error(diff)
	}
	w.began = nil
}

// A client that asks a hundred times waits behind itself, and another for one hash.
func TestNetworksAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiters{p: newPool(1, 100)}
		for range 4 {
			w.come(t.Context(), PortalUsers, "a")
		}
		w.come(t.Context(), PortalUsers, "b")
		w.come(t.Context(), PortalUsers, "c")
		w.come(t.Context(), PortalUsers, "c")
		for len(w.ends) > 0 {
			w.end()
		}
		w.expect(t, "0 a", "0 a", "0 b", "0 c", "0 a", "0 c", "0 a")
	})
}

func TestLanesAreServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiters{p: newPool(1, 100)}
		for n := range 4 {
			w.come(t.Context(), Identities, fmt.Sprint("user", n))
		}
		w.come(t.Context(), PortalUsers, "admin")
		w.come(t.Context(), PortalUsers, "owner")
		for len(w.ends) > 0 {
			w.end()
		}
		w.expect(t, "1 user0", "0 admin", "1 user1", "0 owner", "1 user2", "1 user3")
	})
}

func TestAtMostTwoOfANetworkWhileAnotherWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiters{p: newPool(4, 100)}
		for range 6 {
			w.come(t.Context(), PortalUsers, "a")
		}
		w.expect(t, "0 a", "0 a", "0 a", "0 a") // alone it may use all
		for range 3 {
			w.come(t.Context(), PortalUsers, "b")
		}
		w.end()
		w.end()
		w.expect(t, "0 b", "0 b")
		w.end() // a has one at work and may have another
		w.expect(t, "0 a")
		for len(w.ends) > 0 {
			w.end()
		}
		w.expect(t, "0 a", "0 b")
		if w.p.working != 0 || len(w.p.at) != 0 || w.p.length() != 0 {
			t.Errorf("%+v", w.p)
		}
	})
}

// A full lane refuses the newest call of the network that has most of them waiting,
// whoever came last; the other lane has its own room.
func TestFullLaneRefusesWhoWaitsMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiters{p: newPool(1, 3)}
		for range 4 {
			w.come(t.Context(), PortalUsers, "a")
		}
		if w.busy != nil {
			t.Error(w.busy)
		}
		w.come(t.Context(), PortalUsers, "b")
		w.come(t.Context(), Identities, "c")
		if diff := cmp.Diff([]string{"0 a"}, w.busy); diff != "" {
			t.Error(diff)
		}
		w.come(t.Context(), PortalUsers, "a")
		if diff := cmp.Diff([]string{"0 a", "0 a"}, w.busy); diff != "" {
			t.Error(diff)
		}
		for len(w.ends) > 0 {
			w.end()
		}
		w.expect(t, "0 a", "1 c", "0 a", "0 b", "0 a")
	})
}

func TestWhoHangsUpLeavesTheLine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &waiters{p: newPool(1, 3)}
		w.come(t.Context(), PortalUsers, "a")
		ctx, hangUp := context.WithCancel(t.Context())
		w.come(ctx, PortalUsers, "b")
		w.come(t.Context(), PortalUsers, "c")
		hangUp()
		synctest.Wait()
		if n := w.p.length(); n != 1 {
			t.Errorf("%d wait", n)
		}
		for len(w.ends) > 0 {
			w.end()
		}
		w.expect(t, "0 a", "0 c")
	})
}
