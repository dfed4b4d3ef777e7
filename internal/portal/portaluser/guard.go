package portaluser

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Guard judges passwords. Nothing else compares one, so guesses count wherever
// they are made. It is safe for concurrent use.
type Guard struct {
	DB     *database.DB
	Hasher *secret.Hasher
	Limits *ratelimit.Limiter
}

// Attempt is a password for an address that may be judged: it holds a place in each
// counter. It ends with Wrong, Right, Useless or Unproven; whoever began it calls Close,
// which gives the places back when it came to none of them.
type Attempt struct {
	guard    *Guard
	by       principal.Actor
	places   *ratelimit.Places
	unproven bool // for a sign-up, not for a user
}

// Begin takes a place in the counters of the pair, of the IP and of the address,
// before anything is compared. A full one, or a locked address, is
// ErrTooManyAttempts, also for a right password; unknown addresses answer alike.
// In a browser that the person is known in the place is one in the run of that browser
// instead, so that nobody who guesses elsewhere shuts the person out of it.
func (g *Guard) Begin(ctx context.Context, by principal.Actor, email string) (*Attempt, error) {
	known := false
	if by.Request.Browser != "" {
		var err error
		known, err = database.Read(ctx, g.DB, func(tx *database.Tx) (bool, error) { return KnownIn(ctx, tx, by, email) })
		if err != nil {
			return nil, err
		}
	}
	if known {
		return g.begin(ctx, by, ratelimit.Counter{Name: ratelimit.KnownBrowser, Subject: by.Request.Browser})
	}
	lock := ratelimit.Counter{Name: ratelimit.Lock, Subject: email}
	return g.begin(ctx, by, append(ofPair(by, email), lock)...)
}

// BeginUnproven is Begin for the password of a sign-up that waits under an address, by
// somebody who holds a link to it. The lock is left out: it neither refuses the attempt
// nor hears of it.
func (g *Guard) BeginUnproven(ctx context.Context, by principal.Actor, email string) (*Attempt, error) {
	a, err := g.begin(ctx, by, ofPair(by, email)...)
	if err == nil {
		a.unproven = true
	}
	return a, err
}

// ofPair are the counters of a pair of IP and address, and of the IP.
func ofPair(by principal.Actor, email string) []ratelimit.Counter {
	ip := by.Request.Network
	return []ratelimit.Counter{
		{Name: ratelimit.SignIn, Subject: ip + " " + email}, {Name: ratelimit.SignInIP, Subject: ip},
	}
}

func (g *Guard) begin(ctx context.Context, by principal.Actor, counters ...ratelimit.Counter) (*Attempt, error) {
	places, err := g.Limits.Reserve(ctx, counters...)
	if f := fault.As(err); f != nil && f.Quota != nil {
		return nil, ErrTooManyAttempts.WithQuota(*f.Quota)
	}
	if err != nil {
		return nil, err
	}
	return &Attempt{guard: g, by: by, places: places}, nil
}

// Judge finds the first of some hashes that the password belongs to, or -1; "" stands for
// nobody's, which takes as long. outdated says that the hash was made with other
// parameters than the current ones. All are one judgement, which ends once it has begun,
// though the caller hangs up. Fault: server.busy.
func (a *Attempt) Judge(ctx context.Context, password string, hashes ...string) (which int, outdated bool, err error) {
	return a.guard.Hasher.Verify(ctx, from(a.by), password, hashes...)
}

// Hash makes the hash of a new password, which its rules have passed. Fault:
// server.busy.
func (g *Guard) Hash(ctx context.Context, by principal.Actor, password string) (string, error) {
	return g.Hasher.Hash(ctx, from(by), password)
}

func from(by principal.Actor) secret.From {
	return secret.From{Lane: secret.PortalUsers, Network: by.Request.Network}
}

// Wrong keeps every place as a wrong password of u, or of nobody known. The one that
// fills the run of a known browser has it forgotten. Events:
// user.login.failed, user.locked.
func (a *Attempt) Wrong(ctx context.Context, u User, known bool) error {
	// The guess was judged, so it counts, whoever waits for the answer; it is no part of
	// what the call was to do.
	ctx = database.Unguarded(context.WithoutCancel(ctx))
	return database.Do(ctx, a.guard.DB, func(tx *database.Tx) error {
		run, err := a.places.Keep(ctx, tx, ratelimit.Lock)
		if err != nil {
			return err
		}
		pair, err := a.places.Keep(ctx, tx, ratelimit.SignIn)
		if err != nil {
			return err
		}
		if _, err := a.places.Keep(ctx, tx, ratelimit.SignInIP); err != nil {
			return err
		}
		browser, err := a.places.Keep(ctx, tx, ratelimit.KnownBrowser)
		if err != nil {
			return err
		}
		if browser.Filled {
			// Its run stays full, for those who began while it was known.
			if _, err := tx.Exec(ctx, deleteBrowser, a.by.Request.Browser); err != nil {
				return err
			}
		}
		reason := UnknownAddress
		if known || a.unproven {
			reason = WrongPassword
		}
		if err := RecordFailure(ctx, tx, a.by, u, known, reason); err != nil {
			return err
		}
		if pair.Filled {
			// The failure that fills the window stands for all that it will refuse,
			// so that a flood does not fill the log.
			if err := RecordFailure(ctx, tx, a.by, u, known, Throttled); err != nil {
				return err
			}
		}
		if run.LockedUntil.IsZero() {
			return nil
		}
		locked := SignInLockedPayload{run.LockedUntil.Format(time.RFC3339)}
		return recordOfAddress(ctx, tx, a.by, u, known, SignInLocked, locked)
	})
}

// Right gives the IP its place back and forgets what was counted for the pair and the
// address, or for the known browser.
func (a *Attempt) Right(ctx context.Context, tx *database.Tx) error {
	return a.settle(ctx, tx, a.places.Clear, a.places.Free)
}

// Useless is Right for a right password that opens nothing: the IP keeps its place, so
// that nobody tries what is known elsewhere address by address.
func (a *Attempt) Useless(ctx context.Context, tx *database.Tx) error {
	return a.settle(ctx, tx, a.places.Clear, a.keep)
}

// Unproven is Useless for the password of a sign-up whose address is not proven: what
// was counted before stays, for it may be a stranger's.
func (a *Attempt) Unproven(ctx context.Context, tx *database.Tx) error {
	return a.settle(ctx, tx, a.places.Free, a.keep)
}

type settling = func(ctx context.Context, tx *database.Tx, name ratelimit.Name) error

// settle ends the attempt's places: those that count the person's wrong passwords one
// way, that of the IP the other. Where none is held nothing is done.
func (a *Attempt) settle(ctx context.Context, tx *database.Tx, runs, ip settling) error {
	for _, name := range []ratelimit.Name{ratelimit.KnownBrowser, ratelimit.Lock, ratelimit.SignIn} {
		if err := runs(ctx, tx, name); err != nil {
			return err
		}
	}
	return ip(ctx, tx, ratelimit.SignInIP)
}

func (a *Attempt) keep(ctx context.Context, tx *database.Tx, name ratelimit.Name) error {
	_, err := a.places.Keep(ctx, tx, name)
	return err
}

// Close gives back the places of an attempt that was not judged, or failed for a
// reason of ours. It never fails the call: a place ends by itself within a minute.
func (a *Attempt) Close(ctx context.Context) {
	_ = a.places.Release(context.WithoutCancel(ctx))
}

// Unlock forgets the lock and the run of an address, whose owner has proved it.
func (g *Guard) Unlock(ctx context.Context, tx *database.Tx, email string) error {
	return g.Limits.Reset(ctx, tx, ratelimit.Lock, email)
}
