package assignment

import (
	"canopy.dev/canopy/internal/access/enduser"
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

	selectRows = `SELECT ` + columns + `, n.node_type, r.name FROM assignment a` + rbac.CrossRole + hierarchy.CrossNode + `
		WHERE a.environment_id = $1 AND r.id = a.role_id AND n.id = a.node_id`

	updateAssignment = `UPDATE assignment SET role_id = $1, effective_from = $2, effective_to = $3, updated_at = $4
		WHERE environment_id = $5 AND id = $6`

	deleteAssignment = `DELETE FROM assignment WHERE environment_id = $1 AND id = $2`

	deleteOfIdentity = `DELETE FROM assignment WHERE environment_id = $1 AND identity_id = $2
		RETURNING id, identity_id, node_id, role_id, effective_from, effective_to, created_at, updated_at`

	// All of an Environment, from one on, by identity and role.
	selectOnwards = `SELECT ` + columns + ` FROM assignment a WHERE a.environment_id = $1
		AND (a.identity_id, a.role_id, a.node_id) > ($2, $3, $4) ORDER BY a.identity_id, a.role_id, a.node_id LIMIT $5`

	moveAssignment = `UPDATE assignment SET node_id = $1, effective_from = $2, effective_to = $3, updated_at = $4
		WHERE environment_id = $5 AND id = $6`

	// A list of ids follows.
	deleteSome = `DELETE FROM assignment WHERE environment_id = $1 AND id IN `

	// A list of nodes follows.
	countAtNodes = `SELECT role_id, n FROM assignment_place WHERE environment_id = $1 AND node_id IN `

	fromIdentity = ` FROM assignment a WHERE a.environment_id = $1 AND a.identity_id = $2`

	selectOfIdentity = `SELECT ` + columns + fromIdentity

	countOfIdentity = `SELECT count(*)` + fromIdentity

	selectOfRole = `SELECT ` + columns + ` FROM assignment a WHERE a.environment_id = $1 AND a.role_id = $2`

	deleteOfRole = `DELETE FROM assignment WHERE environment_id = $1 AND role_id = $2`

	// A list of nodes follows.
	selectAtNodes = `SELECT ` + columns + ` FROM assignment a WHERE a.environment_id = $1 AND a.node_id IN `

	deleteAtNodes = `DELETE FROM assignment WHERE environment_id = $1 AND node_id IN `

	selectInSubtree = hierarchy.Subtree + ` SELECT ` + columns + ` FROM down CROSS JOIN assignment a
		WHERE a.environment_id = $1 AND a.node_id = down.id`

	deleteInSubtree = `DELETE FROM assignment WHERE environment_id = $1 AND node_id IN (` + hierarchy.Subtree + `
		SELECT id FROM down)`

	// A list of identities and heldOrder follow.
	selectHeld = `SELECT ` + columns + `, a.role_name, a.node_name FROM (
		SELECT ` + columns + `, r.name AS role_name, n.name AS node_name,
			row_number() OVER (PARTITION BY a.identity_id ORDER BY r.name_fold, n.name_fold, a.id) AS place
		FROM assignment a` + rbac.CrossRole + hierarchy.CrossNode + `
		WHERE a.environment_id = $1 AND r.id = a.role_id AND n.id = a.node_id AND a.identity_id IN `
	heldOrder = `) a WHERE a.place <= $2 ORDER BY a.identity_id, a.place`

	// Plain lists ask one index each for a page, whose order and limit follow.
	selectIDs           = `SELECT a.id FROM assignment a WHERE a.environment_id = $1`
	selectIDsOfRole     = selectIDs + ` AND a.role_id = $2`
	selectIDsAtNode     = selectIDs + ` AND a.node_id = $2`
	selectIDsOfIdentity = selectIDs + ` AND a.identity_id = $2`

	// ofEnvironment is a condition that no index serves: for statements that name rows by
	// ids, where SQLite would rather look at the whole Environment.
	ofEnvironment = ` CASE WHEN a.environment_id = $1 THEN 1 END = 1`

	// A list of ids follows.
	selectListed = `SELECT ` + columns + `, r.name, n.name, ` + enduser.NamedColumns + ` FROM assignment a` +
		enduser.JoinIdentity + `a.identity_id` + rbac.CrossRole + hierarchy.CrossNode + `
		WHERE` + ofEnvironment + ` AND r.id = a.role_id AND n.id = a.node_id AND a.id IN `

	// What a ledger holds.
	ledgerColumns = `a.id, a.identity_id, a.node_id, a.role_id, a.effective_from, a.effective_to, a.created_at`
	selectLedger  = `SELECT ` + ledgerColumns + ` FROM assignment a WHERE a.environment_id = $1`

	// A list of ids follows.
	selectLedgerOf = `SELECT ` + ledgerColumns + ` FROM assignment a WHERE` + ofEnvironment + ` AND a.id IN `

	selectPlaces = `SELECT DISTINCT node_id FROM assignment_place WHERE environment_id = $1`

	addTally = `INSERT INTO assignment_tally (environment_id, kind, item, n) VALUES ($1, $2, $3, $4)
		ON CONFLICT (environment_id, kind, item) DO UPDATE SET n = assignment_tally.n + excluded.n`

	deleteNoTally = `DELETE FROM assignment_tally WHERE environment_id = $1 AND kind = $2 AND item = $3 AND n <= 0`

	deleteTally = `DELETE FROM assignment_tally WHERE environment_id = $1 AND kind = $2 AND item = $3`

	selectTally = `SELECT COALESCE(sum(n), 0) FROM assignment_tally WHERE environment_id = $1 AND kind = $2 AND item = $3`

	// Rows follow, and addToPlaces; the Environment is $1.
	addPlaces   = `INSERT INTO assignment_place (environment_id, node_id, role_id, n) VALUES `
	placeRow    = `($1, ?, ?, ?)`
	addToPlaces = ` ON CONFLICT (environment_id, node_id, role_id) DO UPDATE SET n = assignment_place.n + excluded.n`

	deleteNoPlace = `DELETE FROM assignment_place
		WHERE environment_id = $1 AND node_id = $2 AND role_id = $3 AND n <= 0`

	countPlaces = `SELECT COALESCE(sum(n), 0) FROM assignment_place WHERE environment_id = $1 AND node_id = $2`

	deletePlacesOfRole = `DELETE FROM assignment_place WHERE environment_id = $1 AND role_id = $2`

	// A list of nodes follows.
	deletePlacesAtNodes = `DELETE FROM assignment_place WHERE environment_id = $1 AND node_id IN `

	deletePlacesInSubtree = `DELETE FROM assignment_place WHERE environment_id = $1 AND node_id IN (
		` + hierarchy.Subtree + ` SELECT id FROM down)`

	countMembersOfRole = `SELECT count(*) FROM (SELECT DISTINCT identity_id FROM assignment
		WHERE environment_id = $1 AND role_id = $2) held`

	// A list of identities follows, and the grouping.
	countHeld = `SELECT identity_id, count(*) FROM assignment
		WHERE environment_id = $1 AND role_id = $2 AND identity_id IN `

	sweepAssignments = `DELETE FROM assignment WHERE environment_id = $1 AND id IN
		(SELECT id FROM assignment WHERE environment_id = $1 LIMIT 500)`

	sweepPlaces = `DELETE FROM assignment_place WHERE environment_id = $1 AND (node_id, role_id) IN
		(SELECT node_id, role_id FROM assignment_place WHERE environment_id = $1 LIMIT 500)`

	sweepTally = `DELETE FROM assignment_tally WHERE environment_id = $1 AND (kind, item) IN
		(SELECT kind, item FROM assignment_tally WHERE environment_id = $1 LIMIT 500)`
)

func scan(row database.Scanner) (a Assignment, err error) {
	return a, row.Scan(&a.ID, &a.Identity, &a.Node, &a.Role, &a.Window.From, &a.Window.To, &a.CreatedAt, &a.UpdatedAt)
}

func scanRow(s database.Scanner) (r row, err error) {
	return r, s.Scan(&r.ID, &r.Identity, &r.Node, &r.Role, &r.Window.From, &r.Window.To, &r.CreatedAt, &r.UpdatedAt,
		&r.nodeType, &r.roleName)
}
