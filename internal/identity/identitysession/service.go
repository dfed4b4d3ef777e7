package identitysession

import (
	"context"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Service holds the use cases of sessions, one transaction each. It is safe for concurrent
// use.
type Service struct{ DB *database.DB }

// List gives the live sessions of a member that are bound to the Environment, newest first.
// Fault: identities.not_found.
func (s *Service) List(ctx context.Context, in scope.Environment, who enduser.ID) ([]Session, error) {
	at := membership.InEnvironment(in)
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) ([]Session, error) {
		if _, err := at.Find(ctx, tx, who); err != nil {
			return nil, err
		}
		return database.All(ctx, tx, scan, selectLive, in.ID, who, tx.Now)
	})
}

// Revoke ends one live session that is bound to the Environment. Faults:
// identities.not_found, auth.session_not_found. Event: identity.session.revoked.
func (s *Service) Revoke(
	ctx context.Context, by principal.Actor, in scope.Environment, who enduser.ID, session ID,
) error {
	at := membership.InEnvironment(in)
	_, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		i, err := at.Hold(ctx, tx, who)
		if err != nil {
			return none, err
		}
		n, err := tx.Exec(ctx, endOne, tx.Now, in.ID, who, session)
		if err != nil {
			return none, err
		}
		if n == 0 {
			return none, ErrNotFound
		}
		return none, event.Record(ctx, tx, Revoked, membership.Entry(by, in, i), RevokedPayload{session})
	})
	return err
}

// RevokeAll ends every session of somebody, in the whole Account. Where there is none it
// writes nothing. Fault: identities.not_found. Events: identity.sessions.admin_revoked,
// session.all_revoked.
func (s *Service) RevokeAll(ctx context.Context, by principal.Actor, at membership.Place, who enduser.ID) error {
	_, err := membership.WriteBeside(ctx, s.DB, at, func(tx *database.Tx) (none struct{}, err error) {
		i, err := at.Hold(ctx, tx, who)
		if err != nil {
			return none, err
		}
		n, err := EndAll(ctx, tx, by, i, AdminRequest)
		if err != nil || n == 0 {
			return none, err
		}
		about, err := at.Entry(ctx, tx, by, i)
		if err != nil {
			return none, err
		}
		return none, event.Record(ctx, tx, AdminRevoked, about, CountPayload{n})
	})
	return err
}

// EndAll ends every session of somebody whom the transaction holds, in the whole Account, and
// tells how many there were. Event, if any: session.all_revoked.
func EndAll(
	ctx context.Context, tx *database.Tx, by principal.Actor, who enduser.Identity, reason EndReason,
) (int, error) {
	n, err := tx.Exec(ctx, endAll, tx.Now, who.Account, who.ID)
	if err != nil || n == 0 {
		return 0, err
	}
	in, err := membership.ActiveEverywhere(ctx, tx, who)
	if err != nil {
		return 0, err
	}
	told := AllRevokedPayload{int(n), reason}
	return int(n), membership.RecordEach(ctx, tx, by, who, in, AllRevoked,
		func([]scope.EnvironmentID) AllRevokedPayload { return told })
}

// EndIn ends the sessions of somebody whom the transaction holds that are bound to an
// Environment. It records nothing: that is for what takes them along.
func EndIn(ctx context.Context, tx *database.Tx, in scope.EnvironmentID, who enduser.ID) error {
	_, err := tx.Exec(ctx, endIn, tx.Now, in, who)
	return err
}

// Forget deletes the sessions of a person, ended ones too.
func Forget(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	_, err := tx.Exec(ctx, deleteAll, who.Account, who.ID)
	return err
}

// Sweep removes sessions that ended long ago, in small pieces.
func (s *Service) Sweep(ctx context.Context) error {
	for {
		n, err := database.Write(ctx, s.DB, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, sweepEnded, tx.Now.Add(-keepEnded))
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// Part is what this room keeps of every Environment: the sessions bound to it.
type Part struct{}

// Found implements environment.Part: nobody is signed in to a new Environment.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: a session leads nowhere once its Environment is gone.
func (Part) Cut(context.Context, *database.Tx, scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, sweepGone, gone)
	return n == 0, err
}
