package mfa

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

type kind struct{}

// FactorID names a second factor.
type FactorID = id.Of[kind]

// FactorKind says what a factor is.
type FactorKind string

// The kinds. A mailed code is no factor that is kept.
const (
	TOTP     FactorKind = "totp"
	WebAuthn FactorKind = "webauthn"
)

// Enum lists the kinds, for schemas.
func (FactorKind) Enum() []string { return []string{string(TOTP), string(WebAuthn)} }

// Factor is a second factor, without its secret.
type Factor struct {
	ID         FactorID
	Kind       FactorKind
	Label      string
	RPID       *string // the relying party of a passkey
	EnrolledAt time.Time
	LastUsedAt time.Time // zero: never
}

// Summary is what an identity has enrolled.
type Summary struct {
	Factors    []Factor
	Generation int       // of the recovery codes; 0: none was ever issued
	Remaining  int       // codes of it that are not spent
	ResetAt    time.Time // by an administrator; zero: never
}

// State is how an identity stands to signing in.
type State struct {
	enduser.Identity
	Locked  bool
	Factors int
}

// ForcedReset is recorded when an administrator resets second factors.
var ForcedReset = event.Type[ForcedResetPayload]{
	Action: "identity.mfa.admin.forced_reset", Category: event.MFA, Resource: "identity", Severity: event.Critical,
	On:    event.Both,
	About: "An administrator reset the second factors of an identity.",
}

// ForcedResetPayload says what went.
type ForcedResetPayload struct {
	Factors int `json:"factors_removed"`
	Devices int `json:"trusted_devices_removed"`
}

// Service holds the use cases, one transaction each. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// Summary reads what somebody has enrolled. Fault: identities.not_found.
func (s *Service) Summary(ctx context.Context, at membership.Place, who enduser.ID) (Summary, error) {
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) (m Summary, err error) {
		i, err := at.Find(ctx, tx, who)
		if err != nil {
			return m, err
		}
		m.ResetAt = i.MFAResetAt
		if m.Factors, err = database.All(ctx, tx, scan, selectFactors, i.Account, i.ID); err != nil {
			return m, err
		}
		return m, tx.QueryRow(ctx, selectCodes, i.Account, i.ID).Scan(&m.Generation, &m.Remaining)
	})
}

// State reads how somebody stands to signing in. Fault: identities.not_found.
func (s *Service) State(ctx context.Context, at membership.Place, who enduser.ID) (State, error) {
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) (st State, err error) {
		if st.Identity, err = at.Find(ctx, tx, who); err != nil {
			return st, err
		}
		st.Locked = st.Identity.Locked(tx.Now)
		return st, tx.QueryRow(ctx, countFactors, st.Account, st.ID).Scan(&st.Factors)
	})
}

// Reset deletes somebody's factors and trusted devices and spends the recovery codes; sessions
// stay. Fault: identities.not_found. Event: identity.mfa.admin.forced_reset.
func (s *Service) Reset(ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID) error {
	_, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		i, err := at.Hold(ctx, tx, who)
		if err != nil {
			return none, err
		}
		factors, err := tx.Exec(ctx, deleteFactors, i.Account, i.ID)
		if err != nil {
			return none, err
		}
		devices, err := ForgetDevices(ctx, tx, i)
		if err != nil {
			return none, err
		}
		if _, err := tx.Exec(ctx, spendCodes, tx.Now, i.Account, i.ID); err != nil {
			return none, err
		}
		if err := enduser.SetMFAReset(ctx, tx, i); err != nil {
			return none, err
		}
		about, err := at.Entry(ctx, tx, by, i)
		if err != nil {
			return none, err
		}
		return none, event.Record(ctx, tx, ForcedReset, about, ForcedResetPayload{int(factors), devices})
	})
	return err
}

// ForgetDevices deletes the trusted devices of a person whom the transaction holds, and tells
// how many there were.
func ForgetDevices(ctx context.Context, tx *database.Tx, who enduser.Identity) (int, error) {
	n, err := tx.Exec(ctx, deleteDevices, who.Account, who.ID)
	return int(n), err
}

// Forget deletes everything that is kept of a person.
func Forget(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	for _, statement := range []string{deleteFactors, deleteDevices, deleteCodes} {
		if _, err := tx.Exec(ctx, statement, who.Account, who.ID); err != nil {
			return err
		}
	}
	return nil
}

// Part is what this room keeps of every Environment: the devices that are trusted there.
type Part struct{}

// Found implements environment.Part: a new Environment trusts no device.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: nobody signs in to what is gone.
func (Part) Cut(context.Context, *database.Tx, scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, sweepDevices, gone)
	return n == 0, err
}
