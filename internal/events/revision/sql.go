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

	selectWhere = `SELECT scope_id, account_id, revision, stamp, tree_revision, tree_stamp FROM revision WHERE scope_id`

	// The ids are one argument, so that the store knows one statement.
	selectRevisions       = selectWhere + ` = ANY(string_to_array($1, ','))`
	selectRevisionsSQLite = selectWhere + ` IN (SELECT value FROM json_each($1))`

	deleteRevision = `DELETE FROM revision WHERE scope_id = $1 AND account_id = $2`

	insertChange = `INSERT INTO change
		(scope_id, revision, ordinal, account_id, stamp, stamp_before, kind, subject_id, body, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`

	selectChanges = `SELECT c.revision, c.ordinal, c.stamp, c.stamp_before, c.kind, c.subject_id, c.body,
		rev.revision, rev.stamp FROM change c` + JoinRevision + `c.scope_id
		WHERE c.scope_id = $1 AND c.account_id = $2 AND c.revision > $3 ORDER BY c.revision, c.ordinal`

	// Of one write the first rows go first: who has its first has all of it.
	sweepChanges = `DELETE FROM change WHERE (scope_id, revision, ordinal) IN
		(SELECT scope_id, revision, ordinal FROM change WHERE created_at < $1
		ORDER BY created_at, scope_id, revision, ordinal LIMIT 500)`
)
