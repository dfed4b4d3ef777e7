package session

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/portal/portaluser"
	"canopy.dev/canopy/internal/tenant/account"
	"canopy.dev/canopy/internal/tenant/application"
)

// Choices lists the Accounts that the user can enter, by name, with their
// Applications, by age.
func (s *Service) Choices(ctx context.Context, by principal.User) ([]Choice, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Choice, error) { return choicesOf(ctx, tx, by.UserID) })
}

func choicesOf(ctx context.Context, tx *database.Tx, userID portaluser.ID) ([]Choice, error) {
	memberships, err := portaluser.ActiveMemberships(ctx, tx, userID)
	if err != nil {
		return nil, err
	}
	list := []Choice{}
	for _, m := range memberships {
		apps, err := application.List(ctx, tx, m.Account.ID)
		if err != nil {
			return nil, err
		}
		list = append(list, Choice{m, apps})
	}
	return list, nil
}

// Select spends a pre-auth token on an Application and opens a session. Faults:
// auth.invalid_token (expired, spent, ended by a password change),
// applications.not_found, which leaves the token usable. Event:
// user.login.succeeded.
func (s *Service) Select(
	ctx context.Context, by principal.PreAuth, accountID account.ID, applicationID application.ID,
) (*Bound, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (*Bound, error) {
		who, err := lock(ctx, tx, by.UserID)
		if err != nil {
			return nil, err
		}
		var permissions bool
		err = tx.QueryRow(ctx, spendPreAuth, tx.Now, by.TokenID, by.UserID).Scan(&permissions)
		if errors.Is(err, database.ErrNoRows) {
			return nil, signingkey.ErrInvalidToken
		}
		if err != nil {
			return nil, err
		}
		at, err := reach(ctx, tx, who, applicationID)
		if err == nil && at.application.AccountID != accountID {
			err = application.ErrNotFound
		}
		if err != nil {
			return nil, err
		}
		return s.open(ctx, tx, by.Actor, at, permissions)
	})
}

// reach finds an Application in one of the Accounts where the person is active.
// Faults: applications.not_found, auth.invalid_token when the person is gone.
func reach(ctx context.Context, tx *database.Tx, who portaluser.Locked, applicationID application.ID) (place, error) {
	memberships, err := portaluser.ActiveMemberships(ctx, tx, who.User().ID)
	if err != nil {
		return place{}, err
	}
	for _, m := range memberships {
		app, err := application.Find(ctx, tx, m.Account.ID, applicationID)
		if errors.Is(err, application.ErrNotFound) {
			continue
		}
		return place{who, m, app}, err
	}
	return place{}, application.ErrNotFound
}

// Switch binds the session to another Application, of any Account in which the caller is
// active. Only the session's current refresh token, if the call carries it, is renewed, as
// by Refresh: an access token alone never becomes one. Access tokens from before stay
// good for their own Account. Faults: applications.not_found, auth.invalid_token. Events:
// user.application_switched, in both Accounts.
func (s *Service) Switch(
	ctx context.Context, by principal.User, applicationID application.ID, token string,
) (*Bound, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (*Bound, error) {
		who, err := lock(ctx, tx, by.UserID)
		if err != nil {
			return nil, err
		}
		to, err := reach(ctx, tx, who, applicationID)
		if err != nil {
			return nil, err
		}
		st, err := scanState(tx.QueryRow(ctx, selectSession, by.SessionID, by.UserID))
		if errors.Is(err, database.ErrNoRows) || err == nil && !st.live(tx.Now) {
			err = signingkey.ErrInvalidToken
		}
		if err != nil {
			return nil, err
		}
		from, refresh := st, secret.Token{}
		if secret.Hash(token) == st.refreshHash {
			if refresh, err = s.rotate(ctx, tx, &st, token); err != nil {
				return nil, err
			}
		}
		if _, err := tx.Exec(ctx, updateBinding, to.membership.Account.ID, to.application.ID, st.id); err != nil {
			return nil, err
		}
		if err := recordSwitch(ctx, tx, by, from, to); err != nil {
			return nil, err
		}
		b, err := s.bind(ctx, tx, st, to)
		if err != nil {
			return nil, err
		}
		b.Refresh = refresh
		return b, nil
	})
}

// lock holds the person of a token, who is gone when the token is of no more use.
func lock(ctx context.Context, tx *database.Tx, userID portaluser.ID) (portaluser.Locked, error) {
	who, err := portaluser.Lock(ctx, tx, userID)
	if errors.Is(err, portaluser.ErrNotFound) {
		err = signingkey.ErrInvalidToken
	}
	return who, err
}

// recordSwitch writes a row in each Account concerned, which names only what is
// the Account's own: none learns from its rows that the other exists.
func recordSwitch(ctx context.Context, tx *database.Tx, by principal.User, from state, to place) error {
	accounts := []scope.AccountID{from.account}
	if to.membership.Account.ID != from.account {
		accounts = append(accounts, to.membership.Account.ID)
	}
	for _, in := range accounts {
		told := SwitchedPayload{}
		if in == from.account {
			told.From = &from.application
		}
		if in == to.membership.Account.ID {
			told.To = &to.application.ID
		}
		entry := event.Entry{Actor: by.Actor, Account: in, Resource: by.UserID.Any(), Label: by.Label}
		if err := event.Record(ctx, tx, Switched, entry, told); err != nil {
			return err
		}
	}
	return nil
}
