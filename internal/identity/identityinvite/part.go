package identityinvite

import (
	"context"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Part is what this room keeps of every Environment, and what names its nodes and roles.
type Part struct{}

var (
	_ environment.Part    = Part{}
	_ hierarchy.Dependent = Part{}
	_ rbac.Dependent      = Part{}
	_ dump.Invites        = Part{}
)

// Found implements environment.Part: nobody is invited to a new Environment.
func (Part) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: every look-up of an invite finds its Environment, or not the
// invite.
func (Part) Cut(context.Context, *database.Tx, scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, nil
}

// Sweep implements environment.Part.
func (Part) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	n, err := tx.Exec(ctx, sweepInvites, gone)
	return n == 0, err
}

// Hanging implements hierarchy.Dependent.
func (Part) Hanging(ctx context.Context, tx *database.Tx, in scope.Environment, at hierarchy.ID) (n int, err error) {
	return n, tx.QueryRow(ctx, countAtNode, in.ID, at).Scan(&n)
}

// idsAtOnce is how many nodes one statement names.
const idsAtOnce = 64

// NodesGo implements hierarchy.Dependent: who was to get a role at one of the nodes gets no
// link any more. It removes no assignment. Event: invite.revoked for each.
func (Part) NodesGo(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, g hierarchy.Going,
) (assignments int, err error) {
	var some int
	if err := tx.QueryRow(ctx, anyAtNode, in.ID).Scan(&some); err != nil || some == 0 {
		return 0, err
	}
	if g.Few == nil {
		_, err := withdraw(ctx, tx, by, in, NodeDeleted, revokeInSubtree, in.ID, g.Top, tx.Now)
		return 0, err
	}
	return 0, atNodes(ctx, tx, by, in, g.Few)
}

// atNodes withdraws the invites that name one of the nodes.
func atNodes(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, nodes []hierarchy.ID,
) error {
	for piece := range slices.Chunk(nodes, idsAtOnce) {
		args := []any{in.ID, tx.Now}
		for _, of := range piece {
			args = append(args, of)
		}
		query := revokeAtNodes + `(` + database.Marks(3, len(piece)) + `)` + gone
		if _, err := withdraw(ctx, tx, by, in, NodeDeleted, query, args...); err != nil {
			return err
		}
	}
	return nil
}

// RoleGoes implements rbac.Dependent: who was to get the role gets no link any more. Event:
// invite.revoked for each.
func (Part) RoleGoes(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, of rbac.RoleID,
) error {
	_, err := withdraw(ctx, tx, by, in, RoleDeleted, revokeOfRole, in.ID, tx.Now, of)
	return err
}

// RevokeOf withdraws the live invites of an address into an Environment whose lock the
// transaction holds, and tells how many there were. Event: invite.revoked for each.
func RevokeOf(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, email string,
) (int, error) {
	return withdraw(ctx, tx, by, in, MemberRemoved, revokeOfAddress, in.ID, tx.Now, email, in.Application.Account.ID)
}

// Of counts the live invites of an address into an Environment: those that RevokeOf withdraws.
func (Part) Of(ctx context.Context, tx *database.Tx, in scope.Environment, email string) (n int, err error) {
	return n, tx.QueryRow(ctx, countOfAddress, in.ID, tx.Now, email, in.Application.Account.ID).Scan(&n)
}

// Forget deletes every invite of an address in the Account, whatever its state, takes queued
// mails back, and gives the ids that there were.
func Forget(ctx context.Context, tx *database.Tx, in scope.AccountID, email string) ([]id.ID, error) {
	all, err := database.All(ctx, tx, scanGone, deleteOfAddress, in, email)
	if err != nil {
		return nil, err
	}
	ids := make([]id.ID, len(all))
	for k, i := range all {
		if err := drop(ctx, tx, i); err != nil {
			return nil, err
		}
		ids[k] = i.ID.Any()
	}
	return ids, nil
}

// withdraw runs a statement that revokes invites, takes their mails back and records each.
func withdraw(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, reason Reason, query string,
	args ...any,
) (int, error) {
	all, err := database.All(ctx, tx, scanGone, query, args...)
	if err != nil {
		return 0, err
	}
	for _, i := range all {
		if err := drop(ctx, tx, i); err != nil {
			return 0, err
		}
		i.Account, i.Application, i.Environment = in.Application.Account.ID, in.Application.ID, in.ID
		err := event.Record(ctx, tx, Withdrawn, i.entry(by), WithdrawnPayload{i.Email, reason})
		if err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// naming is what a live invite names.
type naming struct {
	id   ID
	role rbac.RoleID
	node hierarchy.ID
}

func namings(ctx context.Context, tx *database.Tx, in scope.Environment) ([]naming, error) {
	return database.All(ctx, tx, func(row database.Scanner) (n naming, err error) {
		return n, row.Scan(&n.id, &n.role, &n.node)
	}, selectNaming, in.ID, tx.Now)
}

// Naming implements dump.Invites.
func (Part) Naming(
	ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
) (count int, err error) {
	if len(roles) == 0 && len(nodes) == 0 {
		return 0, nil
	}
	all, err := namings(ctx, tx, in)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	going := map[id.ID]bool{}
	for _, of := range roles {
		going[of.Any()] = true
	}
	for _, of := range nodes {
		going[of.Any()] = true
	}
	for _, n := range all {
		if going[n.role.Any()] || going[n.node.Any()] {
			count++
		}
	}
	return count, nil
}

// Flattens implements dump.Invites.
func (Part) Flattens(
	ctx context.Context, tx *database.Tx, in scope.Environment, root hierarchy.ID,
	ground func(hierarchy.ID) assignment.Ground,
) (count int, err error) {
	all, err := namings(ctx, tx, in)
	for _, n := range all {
		if n.node != root && ground(n.node) == assignment.Dead {
			count++
		}
	}
	return count, err
}

// Flatten implements dump.Invites. Event: invite.revoked for each that named a dead node.
func (Part) Flatten(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, root hierarchy.ID,
	ground func(hierarchy.ID) assignment.Ground,
) error {
	all, err := namings(ctx, tx, in)
	if err != nil {
		return err
	}
	var dead []hierarchy.ID
	seen := map[hierarchy.ID]bool{root: true}
	for _, n := range all {
		if seen[n.node] {
			continue
		}
		seen[n.node] = true
		switch ground(n.node) {
		case assignment.Live:
			if _, err := tx.Exec(ctx, moveToNode, root, in.ID, n.node); err != nil {
				return err
			}
		case assignment.Dead:
			dead = append(dead, n.node)
		case assignment.Apart:
		}
	}
	return atNodes(ctx, tx, by, in, dead)
}
