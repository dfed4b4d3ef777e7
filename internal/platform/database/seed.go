package database

import (
	"context"
	"fmt"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
)

// seedStep is the version of the step before which Accounts and Environments of earlier
// versions get what new ones have from their first moment.
const seedStep = 11

// seedBatch is how many Accounts, or Environments, one transaction looks after.
const seedBatch = 50

// seed gives each Account its revision, and each Environment its revision, its tree, its
// catalogue of permissions and the role that holds them. What is there stays.
func seed(ctx context.Context, db *DB) error {
	for what, batch := range map[string]func(context.Context, *Tx, string) (string, error){
		"revisions of Accounts": seedAccounts, "contents of Environments": seedEnvironments,
	} {
		for last, more := "", true; more; {
			var err error
			last, err = Write(ctx, db, func(tx *Tx) (string, error) { return batch(ctx, tx, last) })
			if err != nil {
				return fmt.Errorf("write the %s: %w", what, err)
			}
			more = last != ""
		}
	}
	return nil
}

// seedAccounts looks after the Accounts that follow an id, and gives the last one's id;
// empty when there was none.
func seedAccounts(ctx context.Context, tx *Tx, after string) (last string, err error) {
	list, err := All(ctx, tx, func(row Scanner) (s string, err error) { return s, row.Scan(&s) },
		`SELECT a.id FROM account a WHERE a.id > $1 AND NOT EXISTS (SELECT 1 FROM revision r WHERE r.scope_id = a.id)
		ORDER BY a.id LIMIT $2`, after, seedBatch)
	for _, account := range list {
		if err := seedRevision(ctx, tx, account, account); err != nil {
			return "", err
		}
		last = account
	}
	return last, err
}

// seedEnvironments is seedAccounts for Environments. One that has a root has everything,
// since all of it is written at once.
func seedEnvironments(ctx context.Context, tx *Tx, after string) (last string, err error) {
	type environment struct{ id, account, name string }
	list, err := All(ctx, tx, func(row Scanner) (e environment, err error) {
		return e, row.Scan(&e.id, &e.account, &e.name)
	}, `SELECT e.id, e.account_id, app.name FROM environment e JOIN application app ON app.id = e.application_id
		WHERE e.id > $1 AND NOT EXISTS (SELECT 1 FROM node n WHERE n.environment_id = e.id)
		ORDER BY e.id LIMIT $2`, after, seedBatch)
	for _, e := range list {
		if err := seedRevision(ctx, tx, e.id, e.account); err != nil {
			return "", err
		}
		if err := seedTree(ctx, tx, e.id, e.name); err != nil {
			return "", err
		}
		if err := seedAccess(ctx, tx, e.id); err != nil {
			return "", err
		}
		last = e.id
	}
	return last, err
}

// seedRevision opens the revision of an Account or Environment.
func seedRevision(ctx context.Context, tx *Tx, of, account string) error {
	_, err := tx.Exec(ctx, `INSERT INTO revision
		(scope_id, account_id, revision, stamp, stamp_before, tree_revision, tree_stamp)
		VALUES ($1, $2, 1, CAST($3 AS TEXT), '', 1, CAST($3 AS TEXT))`, of, account, secret.NewToken().Reveal()[:16])
	return err
}

// seedTree makes the root, named like the Application, and what is counted of it.
func seedTree(ctx context.Context, tx *Tx, environment, name string) error {
	_, err := tx.Exec(ctx, `INSERT INTO node (id, environment_id, node_type, name, name_fold, slug, status, metadata,
			child_count, version, created_at, updated_at)
		VALUES ($1, $2, 'root', $3, $4, $5, 'active', '{}', 0, 1, $6, $6)`,
		seedID(tx.Now), environment, name, text.Fold(name), text.Slug(name, "root"), tx.Now)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO tally (environment_id, kind, item, n)
		VALUES ($1, 'type', 'root', 1), ($1, 'status', 'active', 1), ($1, 'depth', '1', 1)`, environment)
	return err
}

// seedAccess makes the catalogue and the role that holds all of it.
func seedAccess(ctx context.Context, tx *Tx, environment string) error {
	role := seedID(tx.Now)
	_, err := tx.Exec(ctx, `INSERT INTO role
			(id, environment_id, name, name_fold, is_active, system_key, version, created_at, updated_at)
		VALUES ($1, $2, 'Platform Admin', 'platform admin', 1, 'platform_admin', 1, $3, $3)`, role, environment, tx.Now)
	if err != nil {
		return err
	}
	for _, p := range seedPermissions {
		of := seedID(tx.Now)
		area, _, _ := strings.Cut(strings.TrimPrefix(p.key, "canopy:"), ".")
		_, err := tx.Exec(ctx, `INSERT INTO permission
				(id, environment_id, key, name, category, category_fold, source, version, created_at, updated_at)
			VALUES ($1, $2, $3, $4, CAST($5 AS TEXT), CAST($5 AS TEXT), 'system', 1, $6, $6)`,
			of, environment, p.key, p.name, area, tx.Now)
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO role_permission (role_id, permission_id, environment_id) VALUES ($1, $2, $3)`,
			role, of, environment)
		if err != nil {
			return err
		}
	}
	return nil
}

func seedID(t time.Time) string { return id.New[id.ID](t).String() }

// seedPermissions are the system permissions as of this step.
var seedPermissions = []struct{ key, name string }{
	{"identity.view", "View identities"},
	{"identity.manage", "Manage identities"},
	{"hierarchy.view", "View hierarchy"},
	{"hierarchy.manage", "Manage hierarchy"},
	{"rbac.view_roles", "View roles"},
	{"rbac.manage_roles", "Manage roles"},
	{"rbac.view_assignments", "View assignments"},
	{"rbac.manage_assignments", "Manage assignments"},
	{"permissions.evaluate", "Evaluate permissions"},
	{"webhook.view", "View webhooks"},
	{"webhook.manage", "Manage webhooks"},
	{"api_key.view", "View API keys"},
	{"api_key.manage", "Manage API keys"},
	{"audit.view", "View audit log"},
	{"audit.export", "Export audit log"},
	{"canopy:organization.manage", "Manage organization"},
}
