package membership

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
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

// Face is how a list of what people hold finds and sorts somebody.
type Face struct {
	Identity enduser.ID
	NameFold string
	Search   string // folded: address and name
	Counts   bool   // an active member whose identity is switched on
}

// Faces hands over everybody who has an assignment in the Environment.
func Faces(ctx context.Context, tx *database.Tx, in scope.Environment, each func(Face)) error {
	return tx.Query(ctx, scanFace(each), selectFaces, in.ID)
}

// FacesOf hands over some people, as far as they are or were members.
func FacesOf(ctx context.Context, tx *database.Tx, in scope.Environment, of []enduser.ID, each func(Face)) error {
	return database.Name(of, func(marks string, args []any) error {
		return tx.Query(ctx, scanFace(each), selectFacesOf+`(`+marks+`)`, args...)
	}, in.ID)
}

func scanFace(each func(Face)) func(database.Scanner) error {
	return func(row database.Scanner) error {
		var f Face
		var status Status
		var on bool
		err := row.Scan(&f.Identity, &status, &on, &f.NameFold, &f.Search)
		f.Counts = on && status == Active
		each(f)
		return err
	}
}
