package decision

import (
	"context"
	"fmt"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Moment runs fn on one view of the Environment, and with the snapshot of that very moment,
// which holds every write that was answered before Moment was called. Faults:
// environments.not_found; database.ErrSlow where too much is written meanwhile.
func Moment[T any](
	ctx context.Context, s *Service, in scope.Environment,
	fn func(tx *database.Tx, at revision.At, world *decide.Snapshot) (T, error),
) (v T, err error) {
	for range sameMoments {
		h, err := s.fresh(ctx, in)
		if err != nil {
			return v, err
		}
		same := false
		v, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (v T, err error) {
			if same = at == h.at; !same {
				return v, nil
			}
			return fn(tx, at, h.Snapshot)
		})
		if err != nil || same {
			return v, err
		}
	}
	return v, fmt.Errorf("%w: the Environment does not stand still", database.ErrSlow)
}
