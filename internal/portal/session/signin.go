package session

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/portal/signup"
)

// SignIn is the outcome of a right password: Bound, or a pre-auth token and
// the choices it can be spent on.
type SignIn struct {
	User         portaluser.User
	Bound        *Bound // nil: a choice is to be made
	PreAuthToken string
	Choices      []Choice
}

// Login checks a password and opens a session, or a choice. Every call
// that a wrong password fails costs two hashes, whatever the address is. Faults: auth.too_many_attempts,
// auth.invalid_credentials, auth.email_not_verified, auth.no_active_account,
// server.busy. Events: user.login.succeeded, user.login.failed, user.locked.
func (s *Service) Login(ctx context.Context, by principal.Actor, c Credentials) (SignIn, error) {
	in, err := s.login(ctx, by, c)
	if s.Observe == nil {
		return in, err
	}
	switch f := fault.As(err); {
	case err == nil:
		s.Observe("ok")
	case f != nil:
		s.Observe(f.Code)
	default:
		s.Observe("error")
	}
	return in, err
}

// candidate is who an address may belong to, as it was before the password was
// looked at.
type candidate struct {
	user    portaluser.User
	known   bool
	pending string // hash of a sign-up that waits for its link, if there is one
}

func (s *Service) login(ctx context.Context, by principal.Actor, c Credentials) (SignIn, error) {
	attempt, err := s.Guard.Begin(ctx, by, c.Email)
	if err != nil {
		return SignIn{}, err
	}
	defer attempt.Close(ctx)
	who, err := database.Read(ctx, s.DB, func(tx *database.Tx) (who candidate, err error) {
		if who.user, who.known, err = portaluser.ByEmail(ctx, tx, c.Email); err == nil {
			who.pending, err = signup.PendingHash(ctx, tx, c.Email)
		}
		return who, err
	})
	if err != nil {
		return SignIn{}, err
	}
	// A password that is not the user's may be that of a sign-up which waits for its link.
	which, outdated, err := attempt.Judge(ctx, c.Password, who.user.PasswordHash, who.pending)
	switch {
	case err != nil:
		return SignIn{}, err
	case which == 1:
		return SignIn{}, s.failed(ctx, by, who, portaluser.NotVerified, attempt.Unproven, ErrEmailNotVerified)
	case which < 0:
		if err := attempt.Wrong(ctx, who.user, who.known); err != nil {
			return SignIn{}, err
		}
		return SignIn{}, portaluser.ErrInvalidCredentials
	}
	renewed := ""
	if outdated {
		renewed, err = s.Guard.Hash(ctx, by, c.Password)
		// It waits until the next sign-in when there is too much to do.
		if err != nil && !errors.Is(err, fault.Busy) {
			return SignIn{}, err
		}
	}
	in, err := database.Write(ctx, s.DB, func(tx *database.Tx) (SignIn, error) {
		in, err := s.enter(ctx, tx, by, who.user, renewed, c.Permissions)
		if err != nil {
			return in, err
		}
		return in, attempt.Right(ctx, tx)
	})
	if errors.Is(err, ErrNoActiveAccount) {
		return in, s.failed(ctx, by, who, portaluser.NoActiveAccount, attempt.Useless, err)
	}
	return in, err
}

// failed records a sign-in that opened nothing though the password was right, and
// gives the verdict. A row that can't be written fails the call instead.
func (s *Service) failed(
	ctx context.Context, by principal.Actor, who candidate, reason portaluser.Reason,
	settle func(context.Context, *database.Tx) error, verdict error,
) error {
	// It was judged, so it counts, whoever waits for the answer.
	ctx = context.WithoutCancel(ctx)
	err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
		if err := settle(ctx, tx); err != nil {
			return err
		}
		return portaluser.RecordFailure(ctx, tx, by, who.user, who.known, reason)
	})
	if err != nil {
		return err
	}
	return verdict
}

// enter reads the person again under the lock: a new password or a removal that came
// meanwhile counts, and one that comes now ends what is opened.
func (s *Service) enter(
	ctx context.Context, tx *database.Tx, by principal.Actor, seen portaluser.User, renewed string, permissions bool,
) (SignIn, error) {
	who, err := portaluser.Lock(ctx, tx, seen.ID)
	u := who.User()
	switch {
	case errors.Is(err, portaluser.ErrNotFound), err == nil && !u.PasswordChangedAt.Equal(seen.PasswordChangedAt):
		return SignIn{}, portaluser.ErrInvalidCredentials
	case err != nil:
		return SignIn{}, err
	}
	choices, err := choicesOf(ctx, tx, u.ID)
	if err != nil {
		return SignIn{}, err
	}
	if len(choices) == 0 {
		return SignIn{}, ErrNoActiveAccount
	}
	if renewed != "" {
		if err := portaluser.Rehash(ctx, tx, u, renewed); err != nil {
			return SignIn{}, err
		}
	}
	in := SignIn{User: u, Choices: choices}
	if len(choices) == 1 && len(choices[0].Applications) == 1 {
		in.Bound, err = s.open(ctx, tx, by, place{who, choices[0].Membership, choices[0].Applications[0]}, permissions)
		return in, err
	}
	in.PreAuthToken, err = s.preAuth(ctx, tx, who, permissions)
	return in, err
}

// preAuth makes a token that can be spent once on a choice.
func (s *Service) preAuth(
	ctx context.Context, tx *database.Tx, who portaluser.Locked, permissions bool,
) (string, error) {
	u := who.User()
	tokenID, until := id.New[principal.PreAuthID](tx.Now), tx.Now.Add(preAuthLife)
	if _, err := tx.Exec(ctx, insertPreAuth, tokenID, u.ID, permissions, until); err != nil {
		return "", err
	}
	return s.Keys.Sign(ctx, tx, signingkey.Claims{
		Subject: u.ID.Any(), Type: string(principal.KindUser), TokenType: signingkey.PreAuth, ID: tokenID.Any(),
		IssuedAt: tx.Now.Unix(), ExpiresAt: until.Unix(),
	})
}
