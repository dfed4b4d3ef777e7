package audit

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
)

// View is a question that a portal user keeps, in one Account.
type View struct {
	Name    string
	Surface string
	Filters jsontext.Value // a JSON object, as it was given
}

// mostViews is how many a user keeps in an Account.
const mostViews = 20

const (
	// lockViews has others that save for the same user wait, where there are any: only who has
	// many can have too many.
	lockViews = `UPDATE audit_view SET name = name WHERE account_id = $1 AND user_id = $2`
	saveView  = `INSERT INTO audit_view (account_id, user_id, surface, name, filters) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (account_id, user_id, surface, name) DO UPDATE SET filters = excluded.filters`
	countViews  = `SELECT count(*) FROM audit_view WHERE account_id = $1 AND user_id = $2`
	selectViews = `SELECT name, surface, filters FROM audit_view
		WHERE account_id = $1 AND user_id = $2 AND ($3 = '' OR surface = $3) ORDER BY name, surface`
	deleteView = `DELETE FROM audit_view WHERE account_id = $1 AND user_id = $2 AND surface = $3 AND name = $4`
)

// Save keeps a view, in the place of one with the same name and surface;
// audit.view_limit_exceeded.
func (s *Service) Save(ctx context.Context, by principal.User, v View) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, lockViews, by.Account.ID, by.UserID); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, saveView, by.Account.ID, by.UserID, v.Surface, v.Name, string(v.Filters))
		if err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(ctx, countViews, by.Account.ID, by.UserID).Scan(&n); err != nil {
			return err
		}
		if n > mostViews {
			return ErrViewLimit
		}
		return nil
	})
}

// Views are those that the user keeps in the Account, by name; of a surface, or all where it
// is "".
func (s *Service) Views(ctx context.Context, by principal.User, surface string) ([]View, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) ([]View, error) {
		return database.All(ctx, tx, func(row database.Scanner) (v View, err error) {
			var filters string
			err = row.Scan(&v.Name, &v.Surface, &filters)
			v.Filters = jsontext.Value(filters)
			return v, err
		}, selectViews, by.Account.ID, by.UserID, surface)
	})
}

// Forget deletes a view, if there is one.
func (s *Service) Forget(ctx context.Context, by principal.User, surface, name string) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, deleteView, by.Account.ID, by.UserID, surface, name)
		return err
	})
}
