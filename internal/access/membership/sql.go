package membership

const (
	selectActive = `SELECT count(*) FROM membership
		WHERE environment_id = $1 AND identity_id = $2 AND status = 'active'`

	// Rows follow, and addAssignmentsTo; the Environment is $1.
	addAssignments = `UPDATE membership SET assignment_count = assignment_count + by.column2 FROM (VALUES `
	addRow         = `(?, CAST(? AS BIGINT))`
	addTo          = `) by WHERE membership.environment_id = $1 AND membership.identity_id = by.column1`
)
