package assignment

import (
	"context"

	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Held is an assignment of an identity with the names of its role and node.
type Held struct {
	Assignment
	RoleName string
	NodeName string
}

// MostHeld is how many assignments of one identity HeldBy tells.
const MostHeld = 100

// HeldBy tells what identities hold in the Environment, at most MostHeld of each, by the
// names of role and node. How many somebody has in all stands with the membership.
func HeldBy(
	ctx context.Context, tx *database.Tx, in scope.Environment, of []principal.IdentityID,
) (map[principal.IdentityID][]Held, error) {
	held := make(map[principal.IdentityID][]Held, len(of))
	if len(of) == 0 {
		return held, nil
	}
	args := []any{in.ID, MostHeld}
	for _, one := range of {
		args = append(args, one)
	}
	return held, tx.Query(ctx, func(row database.Scanner) error {
		var h Held
		err := row.Scan(&h.ID, &h.Identity, &h.Node, &h.Role, &h.Window.From, &h.Window.To, &h.CreatedAt, &h.UpdatedAt,
			&h.RoleName, &h.NodeName)
		held[h.Identity] = append(held[h.Identity], h)
		return err
	}, selectHeld+`(`+database.Marks(3, len(of))+`)`+heldOrder, args...)
}

// OfIdentitySorts are the keys that OfIdentity can sort by.
var OfIdentitySorts = page.Sorts{{Key: "created_at", Column: "a.created_at", Desc: true}}

// OfIdentity is one page of the assignments of an identity in the Environment, sorted by one
// of OfIdentitySorts.
func OfIdentity(
	ctx context.Context, tx *database.Tx, in scope.Environment, of principal.IdentityID, r page.Request,
) (list []Assignment, info page.Info, err error) {
	list, err = database.All(ctx, tx, scan, selectOfIdentity+r.OrderBy("a.id")+r.Limit(), in.ID, of)
	if err != nil {
		return nil, info, err
	}
	var n int
	if err := tx.QueryRow(ctx, countOfIdentity, in.ID, of).Scan(&n); err != nil {
		return nil, info, err
	}
	return list, r.Of(n), nil
}

// HoldingRole is a condition for lists of identities: that they have an assignment of the role
// in the Environment, in whatever state. identity is the column of the identity, and one adds
// an argument and gives its placeholder.
func HoldingRole(role rbac.RoleID) func(identity string, one func(any) string, in scope.Environment) string {
	return func(identity string, one func(any) string, in scope.Environment) string {
		return ` AND ` + identity + ` IN (SELECT held.identity_id FROM assignment held WHERE held.environment_id = ` +
			one(in.ID) + ` AND held.role_id = ` + one(role) + `)`
	}
}
