package hierarchy

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/platform/database"
)

// CrossNode brings node as n, for the queries of other rooms, whose WHERE says that n.id is
// the node of a row. It offers id, node_type, name and name_fold.
const CrossNode = ` CROSS JOIN node n`

// Subtree begins a query of another room about a node, $2, of the Environment $1, and all
// that lies below it: their ids are down.id. Deleted nodes are not there.
const Subtree = subtree

const (
	nodeColumns = `n.id, n.parent_id, n.node_type, n.name, n.name_fold, n.slug, n.description, n.status, n.metadata,
		n.child_count, n.version, n.created_at, n.updated_at`

	// wholeColumns are all that there are.
	wholeColumns = nodeColumns + `, n.ref`

	// treeColumns are those of a node in a tree, where nobody looks at the rest.
	treeColumns = `n.id, n.parent_id, n.node_type, n.name, n.name_fold, n.slug, n.description, n.status, n.child_count,
		n.version`

	// ofEnvironment is a condition that no index serves: for statements that name nodes by
	// ids, where SQLite would rather look at the whole Environment.
	ofEnvironment = ` CASE WHEN environment_id = $1 THEN 1 END = 1`

	fromEnvironment = ` FROM node n WHERE n.environment_id = $1`

	notDeleted = ` AND n.deleted_at IS NULL`

	fromNode = fromEnvironment + notDeleted

	selectNode = `SELECT ` + nodeColumns + fromNode + ` AND n.id = $2`

	selectNodeAt = `SELECT ` + nodeColumns + `, rev.revision FROM node n` + revision.JoinRevision + `n.environment_id
		WHERE n.environment_id = $1 AND n.deleted_at IS NULL AND n.id = $2 AND rev.account_id = $3`

	selectRoot = `SELECT ` + nodeColumns + fromNode + ` AND n.parent_id IS NULL`

	selectWholeRoot = `SELECT ` + wholeColumns + fromNode + ` AND n.parent_id IS NULL`

	// lineage walks up from a node: of each node on the way how far it is. CROSS JOIN pins
	// the order of SQLite, which else looks at the whole tree for one node; PostgreSQL finds
	// it by itself.
	lineage = `WITH RECURSIVE up (id, parent_id, distance) AS (
		SELECT id, parent_id, 0 FROM node WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL
		UNION ALL SELECT p.id, p.parent_id, up.distance + 1 FROM up
			CROSS JOIN node p WHERE p.id = up.parent_id AND up.distance < 32)`

	selectLineage = lineage + ` SELECT ` + nodeColumns + ` FROM up CROSS JOIN node n WHERE n.id = up.id
		ORDER BY up.distance DESC`

	// subtree walks down from a node, which is at depth 0. It asks for no more than the index of
	// siblings has: else SQLite takes another one, and looks at the whole tree for each step.
	subtree = `WITH RECURSIVE down (id, depth) AS (
		SELECT id, 0 FROM node WHERE environment_id = $1 AND id = $2 AND deleted_at IS NULL
		UNION ALL SELECT c.id, down.depth + 1 FROM down
			CROSS JOIN node c WHERE c.environment_id = $1 AND c.parent_id = down.id AND c.deleted_at IS NULL)`

	countSubtree = subtree + ` SELECT down.depth, n.node_type, n.status, count(*) FROM down
		CROSS JOIN node n WHERE n.id = down.id GROUP BY down.depth, n.node_type, n.status`

	// countSubtreeUpTo counts no further than it is told.
	countSubtreeUpTo = subtree + ` SELECT count(*) FROM (SELECT id FROM down LIMIT $3) d`

	selectSubtreeIDs = subtree + ` SELECT id FROM down`

	// By the index of what is deleted.
	selectDeletedSince = `SELECT n.id FROM node n
		WHERE CASE WHEN n.environment_id = $1 THEN 1 END = 1 AND n.deleted_at IS NOT NULL AND n.deleted_at >= $2`

	deleteSubtree = `UPDATE node SET status = 'deleted', deleted_at = $3, updated_at = $3
		WHERE` + ofEnvironment + ` AND id IN (` + subtree + ` SELECT id FROM down)`

	deleteSome = `UPDATE node SET status = 'deleted', deleted_at = $2, updated_at = $2
		WHERE` + ofEnvironment + ` AND id IN `

	selectWhole = `SELECT ` + wholeColumns + fromNode

	// Reserved types begin with canopy: and semicolon is the next character.
	selectApart = `WITH RECURSIVE down (id) AS (
		SELECT n.id FROM node n WHERE n.environment_id = $1 AND n.deleted_at IS NULL
			AND n.node_type >= 'canopy:' AND n.node_type < 'canopy;'
		UNION ALL SELECT c.id FROM down
			CROSS JOIN node c WHERE c.environment_id = $1 AND c.parent_id = down.id AND c.deleted_at IS NULL)
		SELECT id FROM down`

	// A list of ids follows each of these.
	selectSome = `SELECT ` + wholeColumns + ` FROM node n WHERE` + ofEnvironment + notDeleted + ` AND n.id IN `

	freeSlugs = `UPDATE node SET slug = '~' || id WHERE` + ofEnvironment + ` AND id IN `

	// Rows follow: the Environment is $1, the instant $2.
	insertNodes = `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug, description, status,
		metadata, child_count, version, created_at, updated_at, ref) VALUES `
	insertedNode = `(?, $1, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, $2, $2, ?)`

	updateNodes = `UPDATE node SET parent_id = v.column2, node_type = v.column3, name = v.column4, name_fold = v.column5,
		slug = v.column6, description = v.column7, status = v.column8, metadata = v.column9, version = version + 1,
		updated_at = $2 FROM (VALUES `
	updatedNode = `(?, ?, ?, ?, ?, ?, ?, ?, ?)`

	// Rows follow: the Environment is $1.
	countNodes   = `UPDATE node SET child_count = v.column2, ref = v.column3 FROM (VALUES `
	countedNode  = `(?, CAST(? AS BIGINT), ?)`
	updatedNodes = `) v WHERE` + ofEnvironment + ` AND id = v.column1`

	insertNode = `INSERT INTO node (id, environment_id, parent_id, node_type, name, name_fold, slug, description, status,
		metadata, child_count, version, created_at, updated_at, ref)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'active', $9, 0, 1, $10, $10, $1)`

	updateNode = `UPDATE node SET parent_id = $1, node_type = $2, name = $3, name_fold = $4, slug = $5, description = $6,
		status = $7, metadata = $8, version = $9, updated_at = $10 WHERE environment_id = $11 AND id = $12`

	addChildren = `UPDATE node SET child_count = child_count + $1 WHERE environment_id = $2 AND id = $3`

	countSlug = `SELECT count(*) FROM node
		WHERE environment_id = $1 AND parent_id = $2 AND slug = $3 AND deleted_at IS NULL AND id <> $4`

	addTally = `INSERT INTO tally (environment_id, kind, item, n) VALUES ($1, $2, $3, $4)
		ON CONFLICT (environment_id, kind, item) DO UPDATE SET n = tally.n + excluded.n`

	selectTally = `SELECT item, n FROM tally WHERE environment_id = $1 AND kind = $2 AND n > 0`

	selectPairs = `SELECT CASE WHEN p.parent_id IS NULL THEN '' ELSE p.node_type END, n.node_type, count(*)
		FROM node n JOIN node p ON p.id = n.parent_id
		WHERE n.environment_id = $1 AND n.deleted_at IS NULL GROUP BY 1, 2`

	// Of the nodes that break a schema some are named.
	selectOfType = `SELECT ` + nodeColumns + fromNode + ` AND n.parent_id IS NOT NULL AND n.node_type = $2
		ORDER BY n.name_fold, n.id LIMIT 20`

	selectOfPair = `SELECT ` + nodeColumns + ` FROM node n JOIN node p ON p.id = n.parent_id
		WHERE n.environment_id = $1 AND n.deleted_at IS NULL AND n.node_type = $2
			AND CASE WHEN p.parent_id IS NULL THEN '' ELSE p.node_type END = $3
		ORDER BY n.name_fold, n.id LIMIT 20`

	selectDeep = subtree + ` SELECT ` + nodeColumns + ` FROM down CROSS JOIN node n WHERE n.id = down.id
		AND down.depth >= $3 ORDER BY n.name_fold, n.id LIMIT 20`

	// Siblings in tree order, by a covering index where only ids are wanted.
	selectChildIDs = `SELECT n.id` + fromNode + ` AND n.parent_id = $2`

	countBefore = `SELECT count(*) FROM node n WHERE n.environment_id = $1 AND n.parent_id = $2 AND n.deleted_at IS NULL
		AND (n.name_fold, n.id) < ($3, $4)`

	treeOrder = ` ORDER BY n.name_fold, n.id`

	// familyOrder is that of several families, each in tree order: the order of an index.
	familyOrder = ` ORDER BY n.parent_id, n.name_fold, n.id`

	sweepDeleted = `DELETE FROM node WHERE id IN
		(SELECT id FROM node WHERE deleted_at < $1 LIMIT 500)`

	sweepNodes = `DELETE FROM node WHERE environment_id = $1 AND id IN
		(SELECT id FROM node WHERE environment_id = $1 LIMIT 500)`

	sweepTally = `DELETE FROM tally WHERE environment_id = $1`
)

func scan(row database.Scanner) (n Node, err error) {
	var metadata string
	err = row.Scan(&n.ID, &n.Parent, &n.Type, &n.Name, &n.nameFold, &n.Slug, &n.Description, &n.Status, &metadata,
		&n.Children, &n.Version, &n.CreatedAt, &n.UpdatedAt)
	n.Metadata = jsontext.Value(metadata)
	return n, err
}

func scanTree(row database.Scanner) (n Node, err error) {
	return n, row.Scan(&n.ID, &n.Parent, &n.Type, &n.Name, &n.nameFold, &n.Slug, &n.Description, &n.Status, &n.Children,
		&n.Version)
}

// scanWhole reads wholeColumns; a node without a ref has its own id.
func scanWhole(row database.Scanner) (n Node, err error) {
	var metadata string
	err = row.Scan(&n.ID, &n.Parent, &n.Type, &n.Name, &n.nameFold, &n.Slug, &n.Description, &n.Status, &metadata,
		&n.Children, &n.Version, &n.CreatedAt, &n.UpdatedAt, &n.Ref)
	n.Metadata = jsontext.Value(metadata)
	if n.Ref.IsZero() {
		n.Ref = n.ID
	}
	return n, err
}

// list gathers the arguments of a query that is put together.
type list struct{ args []any }

// one is the placeholder of a further argument.
func (l *list) one(v any) string {
	l.args = append(l.args, v)
	return "$" + strconv.Itoa(len(l.args))
}

// ids are the placeholders of further ids.
func (l *list) ids(of []ID) string {
	marks := make([]string, len(of))
	for i, v := range of {
		marks[i] = l.one(v)
	}
	return strings.Join(marks, ",")
}
