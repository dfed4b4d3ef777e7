package membership

const (
	selectActive = `SELECT count(*) FROM membership
		WHERE environment_id = $1 AND identity_id = $2 AND status = 'active'`

	addAssignments = `UPDATE membership SET assignment_count = assignment_count + $1
		WHERE environment_id = $2 AND identity_id = $3`
)
