package portaluser_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/portal/portaltest"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// TestGuardTellsThePoolWhoWaits: a password waits in the lane of portal users, as one of
// its caller's network. So a full lane refuses the client that has most waiting, under
// whatever address, and a full lane of identities nobody here.
func TestGuardTellsThePoolWhoWaits(t *testing.T) {
	t.Parallel()
	portaltest.Each(t, func(t *testing.T, p *portaltest.Portal) {
		for name, hash := range map[string]func(ip, network string) error{
			"judged": func(ip, network string) error {
				by := portaltest.Guest(ip)
				by.Request.Network = network
				attempt, err := p.Guard.Begin(t.Context(), by, ip+"@acme.com")
				if err != nil {
					return err
				}
				defer attempt.Close(t.Context())
				_, _, err = attempt.Judge(t.Context(), "Wrong-Horse-7", "")
				return err
			},
			"made": func(ip, network string) error {
				by := portaltest.Guest(ip)
				by.Request.Network = network
				_, err := p.Guard.Hash(t.Context(), by, portaltest.Password)
				return err
			},
		} {
			// The work that all wait behind is longer each time, until it outlasts them.
			refused, long := "", false
			for work := 500; !long && work < 1<<20; work *= 2 {
				refused, long = firstRefused(t.Context(), p.Guard, work, hash)
			}
			if diff := cmp.Diff("192.0.2.3 of many", refused); diff != "" {
				t.Errorf("%s:\n%s", name, diff)
			}
		}
	})
}

// firstRefused fills the lane of identities, and then that of portal users: with three
// calls of one network from as many addresses, and one of another. It says whose call
// finds no room. It is false when the worker was free before that could show.
func firstRefused(
	ctx context.Context, guard *portaluser.Guard, work int, hash func(ip, network string) error,
) (who string, long bool) {
	const room = 3
	h := secret.NewHasher(secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 1, room)
	guard.Hasher = h
	ended := make(chan string, 2*room+2)
	calls := 0
	// come lets a call come and waits until it is in its line, or has found it full.
	come := func(name string, waiting int64, call func() error) {
		calls++
		go func() {
			if err := call(); errors.Is(err, fault.Busy) {
				ended <- name
			} else {
				ended <- ""
			}
		}()
		for h.Waiting() < waiting && len(ended) == 0 {
			runtime.Gosched()
		}
	}
	elsewhere := func(network string, hashes int) func() error {
		return func() error {
			_, _, err := h.Verify(ctx, secret.From{Lane: secret.Identities, Network: network}, "x", make([]string, hashes)...)
			return err
		}
	}
	come("the work", 0, elsewhere("work", work))
	for h.Done() == 0 {
		runtime.Gosched()
	}
	for n := range room {
		come("an identity", int64(n+1), elsewhere(fmt.Sprint("user", n), 1))
	}
	for n := range room {
		ip := fmt.Sprint("192.0.2.", n+1)
		come(ip+" of many", int64(room+n+1), func() error { return hash(ip, "192.0.2.0/24") })
	}
	come("the other client", 2*room+1, func() error { return hash("198.51.100.1", "198.51.100.1") })
	who = <-ended
	long = who != "" && h.Done() < int64(work)
	for range calls - 1 {
		<-ended
	}
	return who, long
}
