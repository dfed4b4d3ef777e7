package environment

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases of Environments. It is safe for concurrent use.
type Service struct {
	DB    *database.DB
	Parts Parts
}

// Place finds the Environment of a slug in an Application; environments.not_found.
func (s *Service) Place(ctx context.Context, in scope.Application, slug string) (scope.Environment, error) {
	e, err := database.Read(ctx, s.DB, func(tx *database.Tx) (Environment, error) {
		return found(scan(tx.QueryRow(ctx, selectEnvironment+` AND env.application_id = $2 AND env.slug = $3`,
			in.Account.ID, in.ID, slug)))
	})
	return scope.Environment{Application: in, ID: e.ID, Slug: e.Slug}, err
}
