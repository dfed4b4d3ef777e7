package rbac

import (
	"strconv"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// CrossRole brings role as r, for the queries of other rooms, whose WHERE says that r.id is
// the role of a row. It offers id, name, name_fold and is_active.
const CrossRole = ` CROSS JOIN role r`

const (
	permissionColumns = `p.id, p.key, p.name, p.category, p.description, p.source, p.version, p.created_at, p.updated_at`

	selectPermissions = `SELECT ` + permissionColumns + ` FROM permission p WHERE p.environment_id = $1`

	selectCustomPermissions = selectPermissions + ` AND p.source = 'custom' ORDER BY p.key`

	// Rows follow: the Environment is $1, the instant $2, the source $3.
	insertPermissions = `INSERT INTO permission
		(id, environment_id, key, name, category, category_fold, description, source, version, created_at, updated_at)
		VALUES `
	permissionRow = `(?, $1, ?, ?, ?, ?, ?, $3, 1, $2, $2)`

	updatePermission = `UPDATE permission SET name = $1, category = $2, category_fold = $3, description = $4,
		version = $5, updated_at = $6 WHERE environment_id = $7 AND id = $8`

	deletePermission = `DELETE FROM permission WHERE environment_id = $1 AND id = $2`

	countCustomPermissions = `SELECT count(*) FROM permission WHERE environment_id = $1 AND source = 'custom'`

	roleColumns = `r.id, r.name, r.description, r.is_active, r.system_key, r.version, r.created_at, r.updated_at`

	// Permissions are counted for all at once: for each by itself PostgreSQL may look at all.
	selectRoles = `SELECT ` + roleColumns + `, COALESCE(held.n, 0) FROM role r
		LEFT JOIN (SELECT rp.role_id, count(*) AS n FROM role own JOIN role_permission rp ON rp.role_id = own.id
			WHERE own.environment_id = $1 GROUP BY rp.role_id) held ON held.role_id = r.id
		WHERE r.environment_id = $1`

	selectRole = `SELECT ` + roleColumns + ` FROM role r WHERE r.environment_id = $1 AND r.id = $2`

	selectRoleOrder = `SELECT r.id FROM role r WHERE r.environment_id = $1 ORDER BY r.name_fold, r.id`

	// By name, with the ref.
	selectCustomRoles = `SELECT ` + roleColumns + `, r.ref FROM role r
		WHERE r.environment_id = $1 AND r.system_key IS NULL ORDER BY r.name_fold, r.id`

	insertRole = `INSERT INTO role
		(id, environment_id, name, name_fold, description, is_active, system_key, version, created_at, updated_at, ref)
		VALUES ($1, $2, $3, $4, $5, 1, $6, 1, $7, $7, $1)`

	insertWholeRole = `INSERT INTO role
		(id, environment_id, name, name_fold, description, is_active, version, created_at, updated_at, ref)
		VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $7, $8)`

	freeName = `UPDATE role SET name_fold = $1 || id WHERE environment_id = $2 AND id = $3`

	setRef = `UPDATE role SET ref = $1 WHERE environment_id = $2 AND id = $3`

	updateRole = `UPDATE role SET name = $1, name_fold = $2, description = $3, is_active = $4, version = $5,
		updated_at = $6 WHERE environment_id = $7 AND id = $8`

	deleteRole = `DELETE FROM role WHERE environment_id = $1 AND id = $2`

	countCustomRoles = `SELECT count(*) FROM role WHERE environment_id = $1 AND system_key IS NULL`

	selectRoleNames = `SELECT name_fold FROM role WHERE environment_id = $1`

	// Every Environment has its one system role.
	selectSetup = `SELECT app.id, app.slug, env.id, env.slug,
		EXISTS (SELECT 1 FROM permission p WHERE p.environment_id = env.id AND p.source = 'custom'),
		EXISTS (SELECT 1 FROM role c WHERE c.environment_id = env.id AND c.system_key IS NULL),
		EXISTS (SELECT 1 FROM role c JOIN role_permission rp ON rp.role_id = c.id
			WHERE c.environment_id = env.id AND c.system_key IS NULL)
		FROM role r` + environment.JoinEnvironment + `r.environment_id` + application.JoinApplication + `env.application_id
		WHERE app.account_id = $1 AND r.system_key IS NOT NULL
		ORDER BY app.created_at, app.id, env.created_at, env.id`

	selectHeld = `SELECT p.id, p.key FROM role_permission rp JOIN permission p ON p.id = rp.permission_id
		WHERE rp.environment_id = $1 AND rp.role_id = $2 ORDER BY p.key`

	// Roles that hold a permission.
	selectHolders = `SELECT ` + roleColumns + ` FROM role r
		JOIN role_permission rp ON rp.role_id = r.id
		WHERE r.environment_id = $1 AND rp.permission_id = $2 ORDER BY r.name_fold, r.id`

	raiseHolders = `UPDATE role SET version = version + 1, updated_at = $1 WHERE environment_id = $2 AND id IN
		(SELECT role_id FROM role_permission WHERE environment_id = $2 AND permission_id = $3)`

	// A list of permissions follows.
	selectHolderIDs = `SELECT DISTINCT role_id FROM role_permission WHERE environment_id = $1 AND permission_id IN `

	raiseRole = `UPDATE role SET version = version + 1, updated_at = $1 WHERE environment_id = $2 AND id = $3`

	// Rows follow: the role is $1, the Environment $2.
	insertRolePermissions = `INSERT INTO role_permission (role_id, environment_id, permission_id) VALUES `
	rolePermissionRow     = `($1, $2, ?)`

	// A list follows.
	deleteRolePermissions = `DELETE FROM role_permission WHERE role_id = $1 AND environment_id = $2 AND permission_id IN `

	sweepRolePermissions = `DELETE FROM role_permission WHERE environment_id = $1 AND (role_id, permission_id) IN
		(SELECT rp.role_id, rp.permission_id FROM role r JOIN role_permission rp ON rp.role_id = r.id
			WHERE r.environment_id = $1 LIMIT 500)`

	sweepRoles = `DELETE FROM role WHERE environment_id = $1 AND id IN
		(SELECT id FROM role WHERE environment_id = $1 LIMIT 500)`

	sweepPermissions = `DELETE FROM permission WHERE environment_id = $1 AND id IN
		(SELECT id FROM permission WHERE environment_id = $1 LIMIT 500)`
)

func scanPermission(row database.Scanner) (p Permission, err error) {
	return p, row.Scan(&p.ID, &p.Key, &p.Name, &p.Category, &p.Description, &p.Source, &p.Version, &p.CreatedAt,
		&p.UpdatedAt)
}

func scanRole(row database.Scanner) (r Role, err error) {
	return r, row.Scan(&r.ID, &r.Name, &r.Description, &r.Active, &r.SystemKey, &r.Version, &r.CreatedAt, &r.UpdatedAt)
}

// scanWhole reads a role with its ref; one without has its own id.
func scanWhole(row database.Scanner) (r Role, err error) {
	err = row.Scan(&r.ID, &r.Name, &r.Description, &r.Active, &r.SystemKey, &r.Version, &r.CreatedAt, &r.UpdatedAt,
		&r.Ref)
	if r.Ref.IsZero() {
		r.Ref = r.ID
	}
	return r, err
}

func scanListed(row database.Scanner) (l Listed, err error) {
	r := &l.Role
	return l, row.Scan(&r.ID, &r.Name, &r.Description, &r.Active, &r.SystemKey, &r.Version, &r.CreatedAt, &r.UpdatedAt,
		&l.Permissions)
}

func scanText(row database.Scanner) (s string, err error) { return s, row.Scan(&s) }

func itoa(n int) string { return strconv.Itoa(n) }
