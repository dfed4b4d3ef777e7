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
// counter. It ends with Wrong, Right or Useless; whoever began it calls Close, which
// gives the places back when it came to none of them.
type Attempt struct {
	guard    *Guard
	by       principal.Actor
	places   *ratelimit.Places
	unproven bool // for a sign-up, not for a user
}

// Begin takes a place in the counters of the pair, of the IP and of the address,
// before anything is compared. A full one, or a locked address, is
// ErrTooManyAttempts, also for a right password; unknown addresses answer alike.
func (g *Guard) Begin(ctx context.Context, by principal.Actor, email string) (*Attempt, error) {
	return g.begin(ctx, by, email, ratelimit.Counter{Name: ratelimit.Lock, Subject: email})
}

// BeginUnproven is Begin for the password of a sign-up that waits under an address, by
// somebody who holds a link to it. The lock is left out: it neither refuses the attempt
// nor hears of it.
func (g *Guard) BeginUnproven(ctx context.Context, by principal.Actor, email string) (*Attempt, error) {
	a, err := g.begin(ctx, by, email)
	if err == nil {
		a.unproven = true
	}
	return a, err
}

func (g *Guard) begin(
	ctx context.Context, by principal.Actor, email string, more ...ratelimit.Counter,
) (*Attempt, error) {
	ip := by.Request.Network
	places, err := g.Limits.Reserve(ctx, append(more,
		ratelimit.Counter{Name: ratelimit.SignIn, Subject: ip + " " + email},
		ratelimit.Counter{Name: ratelimit.SignInIP, Subject: ip},
	)...)
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

// Wrong keeps every place as a wrong password of u, or of nobody known. Events:
// user.login.failed, user.locked.
func (a *Attempt) Wrong(ctx context.Context, u User, known bool) error {
	// The guess was judged, so it counts, whoever waits for the answer.
	ctx = context.WithoutCancel(ctx)
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
// address.
func (a *Attempt) Right(ctx context.Context, tx *database.Tx) error {
	if err := a.clear(ctx, tx); err != nil {
		return err
	}
	return a.places.Free(ctx, tx, ratelimit.SignInIP)
}

// Useless is Right for a right password that opens nothing: the IP keeps its place, so
// that nobody tries what is known elsewhere address by address.
func (a *Attempt) Useless(ctx context.Context, tx *database.Tx) error {
	if err := a.clear(ctx, tx); err != nil {
		return err
	}
	_, err := a.places.Keep(ctx, tx, ratelimit.SignInIP)
	return err
}

func (a *Attempt) clear(ctx context.Context, tx *database.Tx) error {
	if err := a.places.Clear(ctx, tx, ratelimit.Lock); err != nil {
		return err
	}
	return a.places.Clear(ctx, tx, ratelimit.SignIn)
}

// Unproven is Useless for the password of a sign-up whose address is not proven: what
// was counted before stays, for it may be a stranger's.
func (a *Attempt) Unproven(ctx context.Context, tx *database.Tx) error {
	for _, name := range []ratelimit.Name{ratelimit.Lock, ratelimit.SignIn} {
		if err := a.places.Free(ctx, tx, name); err != nil {
			return err
		}
	}
	_, err := a.places.Keep(ctx, tx, ratelimit.SignInIP)
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
