package credential

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/identitysession"
	"canopy.dev/canopy/internal/identity/mfa"
	"canopy.dev/canopy/internal/platform/database"
)

// ErrReused says that somebody has, or had lately, the password that is to be the new one.
var ErrReused = fault.New(fault.Invalid, "identities.password_reused",
	"This password was used lately; choose another one")

// The events of somebody's own doing.
var (
	PasswordReset = event.Type[event.None]{
		Action: "identity.password.reset", Category: event.Auth, Resource: "identity", Severity: event.Notice,
		On:    event.Identities,
		About: "An identity chose a new password, by a mailed link.",
	}
	AddressVerified = event.Type[MethodPayload]{
		Action: "identity.email.verified", On: event.Identities, Category: event.Auth, Resource: "identity",
		About: "An identity proved its address.",
	}
)

// MethodPayload says how.
type MethodPayload struct {
	Method string `json:"method"`
}

// New makes the hash of a password that a person with the address chooses, and holds the rules
// of new ones. Faults: validation, identities.password_breached, server.busy.
func (p *Passwords) New(ctx context.Context, by principal.Actor, email, password string) (string, error) {
	password, broken := text.IdentityPassword(password)
	if broken == "" && text.IsOwnAddress(password, email) {
		broken = "must not be the address or what stands before its @"
	}
	if broken != "" {
		return "", fault.Validation.WithDetails("password " + broken)
	}
	return p.Hash(ctx, by, password)
}

// Renew is New for somebody who is there, and may choose none of the passwords that were in use
// lately, the present one included. Fault, besides: identities.password_reused.
func (s *Service) Renew(
	ctx context.Context, by principal.Actor, who enduser.Identity, password string,
) (string, error) {
	hash, err := s.Passwords.New(ctx, by, who.Email, password)
	if err != nil || s.Passwords.History == 0 {
		return hash, err
	}
	lately, err := database.Read(ctx, s.DB, func(tx *database.Tx) ([]string, error) {
		return database.All(ctx, tx, func(row database.Scanner) (hash string, err error) {
			return hash, row.Scan(&hash)
		}, selectPasswords, who.Account, who.ID, s.Passwords.History-1)
	})
	if err != nil {
		return "", err
	}
	if who.PasswordSet() {
		lately = append([]string{who.PasswordHash}, lately...)
	}
	if len(lately) == 0 {
		return hash, nil
	}
	kept, _ := text.IdentityPassword(password) // its rules have passed
	which, _, err := s.Passwords.Hasher.Verify(ctx, from(by), kept, lately...)
	if err == nil && which >= 0 {
		err = ErrReused
	}
	return hash, err
}

// Reset keeps the hash of a password that somebody, whom the transaction holds, has chosen by a
// mailed link, which proves the address: the lock, all sessions, open reset links and trusted
// devices of the old one end. Events: identity.password.reset, identity.email.verified,
// session.all_revoked.
func (s *Service) Reset(
	ctx context.Context, tx *database.Tx, by principal.Actor, who enduser.Identity, hash, method string,
	about event.Entry,
) error {
	if err := s.replace(ctx, tx, who, hash); err != nil {
		return err
	}
	if err := s.Verified(ctx, tx, who, method, about); err != nil {
		return err
	}
	if err := s.kill(ctx, tx, who, toReset); err != nil {
		return err
	}
	if _, err := mfa.ForgetDevices(ctx, tx, who); err != nil {
		return err
	}
	if err := event.Record(ctx, tx, PasswordReset, about, event.None{}); err != nil {
		return err
	}
	if _, err := identitysession.EndAll(ctx, tx, by, who, identitysession.PasswordReset); err != nil {
		return err
	}
	return s.Guard.Unlock(ctx, tx, who)
}

// Verified notes that somebody, whom the transaction holds, has proved the address by a method;
// again it writes nothing. Event: identity.email.verified.
func (s *Service) Verified(
	ctx context.Context, tx *database.Tx, who enduser.Identity, method string, about event.Entry,
) error {
	if who.EmailVerified() {
		return nil
	}
	if err := enduser.SetVerified(ctx, tx, who); err != nil {
		return err
	}
	if err := s.kill(ctx, tx, who, toVerify); err != nil {
		return err
	}
	return event.Record(ctx, tx, AddressVerified, about, MethodPayload{method})
}
