package membership

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

const selectRows = `SELECT m.identity_id, m.status, m.is_active FROM membership m WHERE m.environment_id = $1`

// Rows hands over everybody who is or was a member, as decisions know them.
func Rows(ctx context.Context, tx *database.Tx, in scope.Environment, to decide.Rows) error {
	return tx.Query(ctx, func(row database.Scanner) error {
		var m decide.Member
		var status Status
		err := row.Scan(&m.Identity, &status, &m.IdentityActive)
		m.MembershipActive = status == Active
		to.Member(m)
		return err
	}, selectRows, in.ID)
}
