package assignment

import (
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	columns = `a.id, a.identity_id, a.node_id, a.role_id, a.effective_from, a.effective_to, a.created_at, a.updated_at`

	insertAssignment = `INSERT INTO assignment
		(id, environment_id, identity_id, node_id, role_id, effective_from, effective_to, created_at, updated_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
		ON CONFLICT (environment_id, identity_id, role_id, node_id) DO NOTHING`

	selectTriple = `SELECT a.id FROM assignment a
		WHERE a.environment_id = $1 AND a.identity_id = $2 AND a.role_id = $3 AND a.node_id = $4`

	deleteOfIdentity = `DELETE FROM assignment WHERE environment_id = $1 AND identity_id = $2
		RETURNING id, identity_id, node_id, role_id, effective_from, effective_to, created_at, updated_at`

	selectAny = `SELECT count(*) FROM (SELECT 1 FROM assignment WHERE environment_id = $1 LIMIT 1) a`

	deleteOfRole = `DELETE FROM assignment WHERE environment_id = $1 AND role_id = $2 RETURNING identity_id`

	countOfRole = `SELECT role_id, count(*) FROM assignment WHERE environment_id = $1 AND role_id = $2 GROUP BY role_id`

	// A list of nodes follows each of these.
	deleteAtNodes = `DELETE FROM assignment WHERE environment_id = $1 AND node_id IN `
	countAtNodes  = `SELECT role_id, count(*) FROM assignment WHERE environment_id = $1 AND node_id IN `

	fromIdentity = ` FROM assignment a WHERE a.environment_id = $1 AND a.identity_id = $2`

	selectOfIdentity = `SELECT ` + columns + fromIdentity

	countOfIdentity = `SELECT count(*)` + fromIdentity

	// A list of identities and heldOrder follow.
	selectHeld = `SELECT ` + columns + `, a.role_name, a.node_name FROM (
		SELECT ` + columns + `, r.name AS role_name, n.name AS node_name,
			row_number() OVER (PARTITION BY a.identity_id ORDER BY r.name_fold, n.name_fold, a.id) AS place
		FROM assignment a` + rbac.CrossRole + hierarchy.CrossNode + `
		WHERE a.environment_id = $1 AND r.id = a.role_id AND n.id = a.node_id AND a.identity_id IN `
	heldOrder = `) a WHERE a.place <= $2 ORDER BY a.identity_id, a.place`
)

func scan(row database.Scanner) (a Assignment, err error) {
	return a, row.Scan(&a.ID, &a.Identity, &a.Node, &a.Role, &a.Window.From, &a.Window.To, &a.CreatedAt, &a.UpdatedAt)
}
