package membership

import (
	"context"
	"errors"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Of finds a person's membership in an Environment, active or not; false when there never
// was one.
func Of(ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.ID) (Membership, bool, error) {
	m, err := scan(tx.QueryRow(ctx, selectMembership, in.ID, who))
	if errors.Is(err, database.ErrNoRows) {
		return Membership{}, false, nil
	}
	m.In = in
	return m, err == nil, err
}

// Find is a person's active membership in an Environment; identities.not_found.
func Find(ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.ID) (Membership, error) {
	m, is, err := Of(ctx, tx, in, who)
	if err == nil && (!is || m.Status != Active) {
		err = enduser.ErrNotFound
	}
	return m, err
}

// AppOf finds a person's place in an Application, active or not; false when there never was
// one.
func AppOf(ctx context.Context, tx *database.Tx, in scope.Application, who enduser.ID) (App, bool, error) {
	a, err := scanApp(tx.QueryRow(ctx, selectApp, in.Account.ID, in.ID, who))
	if errors.Is(err, database.ErrNoRows) {
		return App{}, false, nil
	}
	return a, err == nil, err
}

// FindApp is a person's active place in an Application; identities.not_found.
func FindApp(ctx context.Context, tx *database.Tx, in scope.Application, who enduser.ID) (App, error) {
	a, is, err := AppOf(ctx, tx, in, who)
	if err == nil && (!is || a.Status != Active) {
		err = enduser.ErrNotFound
	}
	return a, err
}

// Everywhere are a person's memberships in all Environments of the Account, deactivated ones
// too, by the Environment's id.
func Everywhere(ctx context.Context, tx *database.Tx, who enduser.Identity) ([]Membership, error) {
	return database.All(ctx, tx, scanPlaced, selectEverywhere, who.Account, who.ID)
}

// Activate makes a person, whom the transaction holds, an active member of an Environment
// that it holds too, and before that of its Application. reactivated says that there was a
// membership; identities.already_member, that it is active.
func Activate(
	ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.Identity,
) (m Membership, reactivated bool, err error) {
	m, reactivated, err = Of(ctx, tx, in, who.ID)
	switch {
	case err != nil:
		return m, false, err
	case reactivated && m.Status == Active:
		return m, false, ErrAlreadyMember
	}
	if _, _, err = ActivateApp(ctx, tx, in.Application, who); err != nil {
		return m, false, err
	}
	if reactivated {
		m.Status, m.ActivatedAt = Active, tx.Now
		_, err = tx.Exec(ctx, activate, tx.Now, in.ID, who.ID)
	} else {
		m = Membership{ID: id.New[ID](tx.Now), In: in, Identity: who.ID, Status: Active, ActivatedAt: tx.Now}
		_, err = tx.Exec(ctx, insertMembership, m.ID, in.Application.Account.ID, in.Application.ID, in.ID, who.ID,
			who.Email, who.NameFold(), who.Search(), who.Active, tx.Now, who.CreatedAt)
	}
	revision.Append(tx, in, put(who, Active))
	return m, reactivated, err
}

// ActivateApp gives a person, whom the transaction holds, an active place in an Application;
// changed is false where there was one.
func ActivateApp(
	ctx context.Context, tx *database.Tx, in scope.Application, who enduser.Identity,
) (a App, changed bool, err error) {
	a, is, err := AppOf(ctx, tx, in, who.ID)
	if err != nil || is && a.Status == Active {
		return a, false, err
	}
	if is {
		a.Status, a.ActivatedAt, a.DeactivatedAt = Active, tx.Now, App{}.DeactivatedAt
		_, err = tx.Exec(ctx, activateApp, tx.Now, in.Account.ID, in.ID, who.ID)
		return a, true, err
	}
	a = App{ID: id.New[AppID](tx.Now), Application: in.ID, Identity: who.ID, Status: Active, ActivatedAt: tx.Now}
	_, err = tx.Exec(ctx, insertApp, a.ID, in.Account.ID, in.ID, who.ID, who.Email, who.NameFold(), who.Search(),
		who.Active, tx.Now, who.CreatedAt)
	return a, true, err
}

// SetInvited notes that a person's place in an Application began with an invite.
func SetInvited(
	ctx context.Context, tx *database.Tx, in scope.Application, who enduser.ID, at time.Time,
) error {
	_, err := tx.Exec(ctx, updateInvited, at, in.Account.ID, in.ID, who)
	return err
}

// Deactivate ends an active membership, whose assignments the caller removes; false when
// there is none.
func Deactivate(ctx context.Context, tx *database.Tx, in scope.Environment, who enduser.Identity) (bool, error) {
	n, err := tx.Exec(ctx, deactivate, in.ID, who.ID)
	if err != nil || n == 0 {
		return false, err
	}
	revision.Append(tx, in, put(who, Deactivated))
	return true, nil
}

// DeactivateApp ends an active place in an Application; false when there is none. Those in
// its Environments are the caller's to end.
func DeactivateApp(ctx context.Context, tx *database.Tx, in scope.Application, who enduser.ID) (bool, error) {
	n, err := tx.Exec(ctx, deactivateApp, tx.Now, in.Account.ID, in.ID, who)
	return n == 1, err
}

// follow brings the copies of a person, whom the transaction holds, to what the person is
// now.
func follow(ctx context.Context, tx *database.Tx, who enduser.Identity) error {
	for _, statement := range []string{updateAppCopies, updateCopies} {
		_, err := tx.Exec(ctx, statement, who.NameFold(), who.Search(), who.Active, who.Account, who.ID)
		if err != nil {
			return err
		}
	}
	return nil
}

// Follow brings the copies of a person, whom the transaction holds, to what the person is
// now: another name, or the switch. Every Environment in which the person is or was a member
// sees it by its revision, for lists hold names in memory; those of active memberships are
// given. It waits for no writer of theirs.
func Follow(ctx context.Context, tx *database.Tx, who enduser.Identity) ([]Membership, error) {
	if err := follow(ctx, tx, who); err != nil {
		return nil, err
	}
	all, err := Everywhere(ctx, tx, who)
	if err != nil {
		return nil, err
	}
	for _, m := range all {
		revision.AppendBeside(tx, m.In, put(who, m.Status))
	}
	return slices.DeleteFunc(all, func(m Membership) bool { return m.Status != Active }), nil
}

// Forget deletes the memberships of a person, who is a member there or was, and whose
// assignments are gone; the Environments are held.
func Forget(ctx context.Context, tx *database.Tx, who enduser.Identity, there []Membership) error {
	for _, m := range there {
		revision.Append(tx, m.In, edits.DropMember(who.ID.Any()))
	}
	for _, statement := range []string{deleteMemberships, deleteApps} {
		if _, err := tx.Exec(ctx, statement, who.Account, who.ID); err != nil {
			return err
		}
	}
	return nil
}

// ActiveEverywhere are a person's active memberships, by the Environment's id.
func ActiveEverywhere(ctx context.Context, tx *database.Tx, who enduser.Identity) ([]Membership, error) {
	all, err := Everywhere(ctx, tx, who)
	return slices.DeleteFunc(all, func(m Membership) bool { return m.Status != Active }), err
}
