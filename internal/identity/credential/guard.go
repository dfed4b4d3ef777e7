package credential

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// The faults of guesses.
var (
	ErrInvalidCredentials = fault.InvalidCredentials
	ErrTooManyAttempts    = fault.TooManyAttempts
)

// Reason says why somebody was not let in.
type Reason string

// The reasons.
const (
	WrongPassword Reason = "wrong_password"
	Throttled     Reason = "throttled" // stands for all that a full window is going to refuse
)

// The events of guesses.
var (
	LoginFailed = event.Type[FailedPayload]{
		Action: "identity.login.failed", On: event.Identities, Category: event.Auth, Resource: "identity",
		Outcome: event.Failure, Severity: event.Notice,
		About: "An identity was not let in.",
	}
	Locked = event.Type[LockedPayload]{
		Action: "identity.locked", Category: event.Auth, Resource: "identity", Severity: event.Warning,
		On:    event.Identities,
		About: "Wrong passwords in a row keep an identity out for a while.",
	}
)

// The payloads.
type (
	// FailedPayload says why, and from where.
	FailedPayload struct {
		Reason    Reason `json:"reason"`
		IPAddress string `json:"ip_address"`
	}
	// LockedPayload says until when.
	LockedPayload struct {
		Until time.Time `json:"locked_until"`
	}
)

// Guard judges the passwords of identities. Nothing else compares one that lets somebody in,
// so guesses count wherever they are made. Its counters are those of no portal user. It is
// safe for concurrent use.
type Guard struct {
	DB     *database.DB
	Hasher *secret.Hasher
	Limits *ratelimit.Limiter
}

// Attempt is a password for an identity that may be judged: it holds a place in each counter.
// It ends with Wrong or Right; whoever began it calls Close, which gives the places back when
// it came to neither.
type Attempt struct {
	guard  *Guard
	by     principal.Actor
	places *ratelimit.Places
}

// address is what an address of an Account is counted by.
func address(in scope.AccountID, email string) string { return in.String() + " " + email }

// Begin takes a place in the counters of the client and the address, of the client, and of the
// address, before anything is compared. A full one, or a locked address, is
// auth.too_many_attempts, also for a right password.
func (g *Guard) Begin(
	ctx context.Context, by principal.Actor, in scope.AccountID, email string,
) (*Attempt, error) {
	whom, client := address(in, email), by.Request.Network
	places, err := g.Limits.Reserve(ctx,
		ratelimit.Counter{Name: ratelimit.SignIn, Subject: client + " " + whom},
		ratelimit.Counter{Name: ratelimit.SignInIP, Subject: "identities " + client},
		ratelimit.Counter{Name: ratelimit.Lock, Subject: whom})
	if f := fault.As(err); f != nil && f.Quota != nil {
		return nil, ErrTooManyAttempts.WithQuota(*f.Quota)
	}
	if err != nil {
		return nil, err
	}
	return &Attempt{guard: g, by: by, places: places}, nil
}

// Judge reports whether a password is that of a hash. It ends once it has begun, though the
// caller hangs up. Fault: server.busy.
func (a *Attempt) Judge(ctx context.Context, password, hash string) (right bool, err error) {
	which, _, err := a.guard.Hasher.Verify(ctx, from(a.by), password, hash)
	return which == 0, err
}

func from(by principal.Actor) secret.From {
	return secret.From{Lane: secret.Identities, Network: by.Request.Network}
}

// Wrong keeps every place as a wrong password of somebody, who was to get into an Environment,
// or into none: a zero one. Events: identity.login.failed, identity.locked.
func (a *Attempt) Wrong(ctx context.Context, who enduser.Identity, in scope.Environment) error {
	// The guess was judged, so it counts, whoever waits for the answer.
	ctx = database.Unguarded(context.WithoutCancel(ctx))
	about := event.Entry{Actor: a.by, Account: who.Account, Resource: who.ID.Any(), Label: who.Email}
	if !in.ID.IsZero() {
		about = membership.Entry(a.by, in, who)
	}
	return database.Do(ctx, a.guard.DB, func(tx *database.Tx) error {
		held, err := enduser.LockAll(ctx, tx, who.Account, []enduser.ID{who.ID})
		if err != nil {
			return err
		}
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
		if _, is := held[who.ID]; !is {
			return nil // erased meanwhile: there is nobody to tell it of
		}
		if run.Run > 0 {
			if err := enduser.SetWrong(ctx, tx, who, run.Run, run.LockedUntil); err != nil {
				return err
			}
		}
		return a.record(ctx, tx, about, pair.Filled, run.LockedUntil)
	})
}

func (a *Attempt) record(
	ctx context.Context, tx *database.Tx, about event.Entry, filled bool, lockedUntil time.Time,
) error {
	ip := a.by.Request.IP
	if err := event.Record(ctx, tx, LoginFailed, about, FailedPayload{WrongPassword, ip}); err != nil {
		return err
	}
	if filled {
		// So that a flood does not fill the log.
		if err := event.Record(ctx, tx, LoginFailed, about, FailedPayload{Throttled, ip}); err != nil {
			return err
		}
	}
	if lockedUntil.IsZero() {
		return nil
	}
	return event.Record(ctx, tx, Locked, about, LockedPayload{lockedUntil})
}

// Right gives the client its place back and forgets what was counted for the address of
// somebody whom the transaction holds.
func (a *Attempt) Right(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	for _, name := range []ratelimit.Name{ratelimit.Lock, ratelimit.SignIn} {
		if err := a.places.Clear(ctx, tx, name); err != nil {
			return err
		}
	}
	if err := a.places.Free(ctx, tx, ratelimit.SignInIP); err != nil {
		return err
	}
	return enduser.Unlock(ctx, tx, who)
}

// Close gives back the places of an attempt that was not judged, or failed for a reason of
// ours. It never fails the call: a place ends by itself within a minute.
func (a *Attempt) Close(ctx context.Context) {
	_ = a.places.Release(context.WithoutCancel(ctx))
}

// Unlock forgets the lock and the run of somebody who has got a new password.
func (g *Guard) Unlock(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	return g.Limits.Reset(ctx, tx, ratelimit.Lock, address(who.Account, who.Email))
}
