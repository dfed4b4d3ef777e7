package revision

// JoinRevision brings revision as rev, for the queries of other rooms; the id of an Account
// or an Environment is to follow. The fields of At are its columns revision, stamp,
// tree_revision and tree_stamp.
const JoinRevision = ` JOIN revision rev ON rev.scope_id = `

const (
	insertRevision = `INSERT INTO revision
		(scope_id, account_id, revision, stamp, stamp_before, tree_revision, tree_stamp)
		VALUES ($1, $2, 1, CAST($3 AS TEXT), '', 1, CAST($3 AS TEXT))`

	// The right sides are of the row before.
	raiseRevision = `UPDATE revision SET revision = revision + 1, stamp_before = stamp, stamp = CAST($1 AS TEXT),
		tree_revision = CASE WHEN $2 = 1 THEN revision + 1 ELSE tree_revision END,
		tree_stamp = CASE WHEN $2 = 1 THEN CAST($1 AS TEXT) ELSE tree_stamp END
		WHERE scope_id = $3 AND account_id = $4 RETURNING revision, stamp_before`

	selectRevision = `SELECT revision, stamp, tree_revision, tree_stamp FROM revision WHERE scope_id = $1 AND account_id = $2`

	selectRevisions = `SELECT scope_id, revision, stamp, tree_revision, tree_stamp FROM revision
		WHERE (scope_id, account_id) IN (VALUES `

	deleteRevision = `DELETE FROM revision WHERE scope_id = $1 AND account_id = $2`

	insertChange = `INSERT INTO change
		(scope_id, revision, ordinal, account_id, stamp, stamp_before, kind, subject_id, body, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	selectChanges = `SELECT revision, stamp_before, kind, subject_id, body FROM change
		WHERE scope_id = $1 AND account_id = $2 AND revision > $3 ORDER BY revision, ordinal`

	sweepChanges = `DELETE FROM change WHERE (scope_id, revision, ordinal) IN
		(SELECT scope_id, revision, ordinal FROM change WHERE created_at < $1 LIMIT 500)`
)
