package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
)

// benchForgot asks whether a stranger who times writes of other things can tell, after a
// forgotten password, if somebody has the address: known and unknown addresses come in
// random order, each once, and what follows is timed. A small p says that they differ.
func benchForgot(ctx context.Context, o options, engine database.Engine) error {
	// The mail server has no processor of its own here: what it does comes after what is
	// timed.
	inbox, address, stop, err := newInbox(ctx, 100*time.Millisecond)
	if err != nil {
		return err
	}
	defer stop()
	i, err := newInstance(ctx, o, engine, "CANOPY_SMTP_URL=smtp://"+address+"?tls=none")
	if err != nil {
		return err
	}
	defer i.close()
	const each, following = 250, 10
	if err := i.people(ctx, each); err != nil {
		return err
	}
	if _, err := i.start(ctx); err != nil {
		return err
	}
	if err := i.signIn(ctx); err != nil {
		return err
	}
	addresses := make([]string, 0, 2*each)
	for k := range each {
		addresses = append(addresses, person(k), "un"+person(k))
	}
	rand.Shuffle(len(addresses), func(a, b int) { addresses[a], addresses[b] = addresses[b], addresses[a] })
	var answer, next, all [2]times
	for n, address := range addresses {
		which := 0
		if address[:2] == "un" {
			which = 1
		}
		asked, err := rounds(1, func(int) error {
			return i.must(ctx, http.StatusOK, http.MethodPost, "/v1/auth/forgot-password", fmt.Sprintf(`{"email":%q}`, address))
		})
		if err != nil {
			return err
		}
		writes, err := rounds(following, func(k int) error {
			return i.must(ctx, http.StatusOK, http.MethodPatch, i.account(""), fmt.Sprintf(`{"name":"Acme %d %d"}`, n, k))
		})
		if err != nil {
			return err
		}
		sum := time.Duration(0)
		for _, d := range writes {
			sum += d
		}
		answer[which] = append(answer[which], asked[0])
		next[which] = append(next[which], writes[0])
		all[which] = append(all[which], sum)
		time.Sleep(200 * time.Millisecond) // until its work is done
	}
	for _, row := range []struct {
		name string
		of   [2]times
	}{
		{"the answer", answer},
		{"the write after it", next},
		{fmt.Sprintf("the %d writes after it", following), all},
	} {
		fmt.Printf("%-24s known p50 %9v   unknown p50 %9v   p = %.3f\n",
			row.name, row.of[0].at(0.5), row.of[1].at(0.5), rankTest(row.of[0], row.of[1]))
	}
	mailed, _ := inbox.count()
	fmt.Printf("%d of %d known addresses were mailed\n", mailed, each)
	return nil
}

func person(k int) string { return fmt.Sprintf("known%d@acme.test", k) }

// people makes owners of Accounts of their own, while the server isn't running.
func (i *instance) people(ctx context.Context, n int) error {
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	hasher := secret.NewHasher(secret.Params{MemoryKiB: 64, Time: 1, Threads: 1}, 0, 64)
	s := &signup.Service{DB: db, Guard: &portaluser.Guard{DB: db, Hasher: hasher}}
	for k := range n {
		_, err := s.Bootstrap(ctx, principal.System(), signup.Params{
			Email: person(k), Password: password, FirstName: "Dana", LastName: "Cole",
			AccountName: fmt.Sprintf("Company %d", k), ApplicationName: "Desk",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// rankTest is the two-sided p of Mann and Whitney's test, by the normal approximation
// with ties: how probable it is that two samples of one thing differ as much in rank.
func rankTest(a, b times) float64 {
	type value struct {
		d     time.Duration
		first bool
	}
	var pool []value
	for _, d := range a {
		pool = append(pool, value{d, true})
	}
	for _, d := range b {
		pool = append(pool, value{d, false})
	}
	slices.SortFunc(pool, func(x, y value) int { return cmp.Compare(x.d, y.d) })
	ranks, ties := 0.0, 0.0 // ranks of a
	for from := 0; from < len(pool); {
		to := from
		for to < len(pool) && pool[to].d == pool[from].d {
			to++
		}
		for _, v := range pool[from:to] {
			if v.first {
				ranks += float64(from+to+1) / 2
			}
		}
		t := float64(to - from)
		ties += t*t*t - t
		from = to
	}
	n1, n2 := float64(len(a)), float64(len(b))
	n := n1 + n2
	u := ranks - n1*(n1+1)/2
	sigma := math.Sqrt(n1 * n2 / 12 * (n + 1 - ties/(n*(n-1))))
	return math.Erfc(math.Abs(u-n1*n2/2) / sigma / math.Sqrt2)
}
