package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// logged is a log of one Account, planted, and what is asked of it.
type logged struct {
	account id.ID
	from    time.Time // of the oldest row
	to      time.Time
}

// templates are the kinds of rows, with how many of a thousand are of each; the last few are
// so rare that one in a quarter of a million is.
var templates = []struct {
	weight                                               int
	action, category, resource, outcome, severity, actor string
	surfaces                                             int
}{
	{180, "session.started", "auth", "identity_session", "success", "info", "identity", 1},
	{160, "session.renewed", "auth", "identity_session", "success", "info", "identity", 1},
	{150, "assignment.created", "rbac", "role_assignment", "success", "info", "api_key", 3},
	{120, "assignment.removed", "rbac", "role_assignment", "success", "info", "api_key", 3},
	{80, "identity.created", "identity", "identity", "success", "info", "api_key", 3},
	{80, "identity.updated", "identity", "identity", "success", "info", "api_key", 3},
	{60, "node.created", "hierarchy", "node", "success", "info", "api_key", 2},
	{40, "node.updated", "hierarchy", "node", "success", "info", "user", 2},
	{40, "identity.login.failed", "auth", "identity", "failure", "warning", "anonymous", 1},
	{20, "audit.query.executed", "audit", "", "success", "info", "user", 2},
	{20, "node.moved", "hierarchy", "node", "success", "notice", "user", 2},
	{15, "invite.created", "invites", "identity_invite", "success", "info", "user", 3},
	{10, "authorization.denied", "authorization", "", "denied", "warning", "api_key", 2},
	{10, "node.deleted", "hierarchy", "node", "success", "warning", "user", 2},
	{5, "role.updated", "rbac", "role", "success", "info", "user", 2},
	{5, "api_key.created", "api_keys", "api_key", "success", "notice", "user", 2},
	{3, "role.created", "rbac", "role", "success", "info", "user", 2},
	{2, "webhook.created", "webhooks", "webhook", "success", "info", "user", 2},
	{0, "identity.mfa.admin.forced_reset", "mfa", "identity", "success", "critical", "user", 3},
	{0, "account_member.added", "admin_user", "account_member", "success", "notice", "user", 2},
	{0, "account.created", "tenancy", "account", "success", "info", "system", 2},
}

// shown says on which surfaces planted rows are.
type shown int

const (
	ownSurfaces  shown = iota // those of their templates
	bothSurfaces              // both, all of them
)

// plantLog writes rows of a year, spread evenly, in the order in which it would have brought
// them: the indexes are taken away for that, and made again.
func plantLog(
	ctx context.Context, db *database.DB, account id.ID, rows int, on shown,
) (l logged, err error) {
	ctx = database.Long(ctx)
	l = logged{account: account, to: db.Now()}
	l.from = l.to.Add(-365 * 24 * time.Hour)
	if db.Engine == database.SQLite {
		for _, pragma := range []string{"synchronous = OFF", "cache_size = -1000000"} { // only for filling
			if _, err := db.Pool().ExecContext(ctx, "PRAGMA "+pragma); err != nil {
				return l, err
			}
		}
	}
	indexes, err := takeIndexes(ctx, db)
	if err != nil {
		return l, err
	}
	if _, err := db.Pool().ExecContext(ctx, slots(on)); err != nil {
		return l, err
	}
	const atOnce = 500_000
	for from := 0; from < rows; from += atOnce {
		for _, statement := range planting(db.Engine) {
			_, err := db.Pool().ExecContext(ctx, statement, account.String(), from, min(from+atOnce, rows)-1,
				l.from.UnixMicro(), l.to.Sub(l.from).Microseconds()/int64(rows))
			if err != nil {
				return l, err
			}
		}
	}
	for _, statement := range append(indexes, "DROP TABLE bench_slot") {
		if _, err := db.Pool().ExecContext(ctx, statement); err != nil {
			return l, err
		}
	}
	return l, nil
}

// takeIndexes drops the log's indexes, and gives the statements that make them.
func takeIndexes(ctx context.Context, db *database.DB) (list []string, err error) {
	query := `SELECT name, sql FROM sqlite_schema WHERE tbl_name = 'audit_index' AND type = 'index' AND sql IS NOT NULL`
	if db.Engine == database.Postgres {
		query = `SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'audit_index'
			AND indexname NOT LIKE '%_pkey'`
	}
	rows, err := db.Pool().QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name, statement string
		if err := rows.Scan(&name, &statement); err != nil {
			return nil, err
		}
		names, list = append(names, name), append(list, statement)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if err := rows.Close(); err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, err := db.Pool().ExecContext(ctx, "DROP INDEX "+name); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// slots makes a table of 1,000 and some slots, each with a template.
func slots(on shown) string {
	var values []string
	slot := 0
	for n, t := range templates {
		if on == bothSurfaces {
			t.surfaces = 3
		}
		for range max(1, t.weight) {
			values = append(values, fmt.Sprintf("(%d, %d, '%s', '%s', '%s', '%s', '%s', '%s', %d)",
				slot, n+1, t.action, t.category, t.resource, t.outcome, t.severity, t.actor, t.surfaces))
			slot++
		}
	}
	return `CREATE TABLE bench_slot AS SELECT column1 AS slot, column2 AS kind, column3 AS action, column4 AS category,
		column5 AS resource, column6 AS outcome, column7 AS severity, column8 AS actor, column9 AS surfaces
		FROM (VALUES ` + strings.Join(values, ", ") + `) AS v`
}

// planting are the statements that write the rows from $2 to $3, and what they are found by.
func planting(engine database.Engine) []string {
	series := `(WITH RECURSIVE s(i) AS (SELECT $2 UNION ALL SELECT i + 1 FROM s WHERE i < $3) SELECT i FROM s)`
	uuid := func(mark, n string) string {
		return `printf('` + mark + `-7000-8000-%012x', ` + n + `)`
	}
	made := `printf('%08x-%04x-7000-8000-%012x', at / 65536000, at / 1000 % 65536, i)`
	if engine == database.Postgres {
		series = `(SELECT generate_series(CAST($2 AS BIGINT), CAST($3 AS BIGINT)) AS i)`
		uuid = func(mark, n string) string {
			return `'` + mark + `-7000-8000-' || lpad(to_hex(` + n + `), 12, '0')`
		}
		made = `lpad(to_hex(at / 65536000), 8, '0') || '-' || lpad(to_hex(at / 1000 % 65536), 4, '0') || '-7000-8000-' ||
			lpad(to_hex(i), 12, '0')`
	}
	zeros, ones := strings.Repeat("0", 36), strings.Repeat("1", 36)
	rows := ` FROM (
			SELECT i, at, account, s.*, CASE WHEN h % 100 < 60 THEN 0 ELSE h % 12 END AS env,
				CASE actor WHEN 'api_key' THEN h % 5 WHEN 'user' THEN 10 + h % 50 ELSE 100 + h % 20000 END AS who,
				h % 500000 AS what, 'person-' || CAST(h % 20000 AS TEXT) || '@acme.test' AS label,
				'Unit ' || CAST(h % 300000 AS TEXT) AS name
			FROM (
				SELECT i, CAST($1 AS TEXT) AS account, CAST($4 AS BIGINT) + i * CAST($5 AS BIGINT) AS at,
					(i + 1) * 2654435761 % 1000003 AS h
				FROM ` + series + ` AS n
			) AS r JOIN bench_slot s
				ON s.slot = CASE WHEN i % 250000 < 3 THEN 1000 + i % 250000 ELSE h % 1000 END
		) AS r ORDER BY i`
	application, environment := uuid("0000a000-0000", "env % 4"), uuid("0000e000-0000", "env")
	who := `CASE WHEN actor = 'anonymous' THEN NULL ELSE ` + uuid("0000ac00-0000", "who") + ` END`
	what, correlation := uuid("0000ee00-0000", "what"), uuid("0000c000-0000", "i / 3")
	return []string{
		`INSERT INTO audit_event (id, account_id, application_id, environment_id, actor_id, actor_type, actor_label,
			action, category, resource_type, resource_id, resource_label, metadata, outcome, severity, customer_visible,
			identity_visible, correlation_id, created_at, surfaces)
		SELECT ` + made + `, account, ` + application + `, ` + environment + `, ` + who + `, actor, label,
			action, category, resource, ` + what + `, name,
			'{"identity_id":"` + zeros + `","node_id":"` + ones + `","note":"' || name || '"}',
			outcome, severity, 1, 0, ` + correlation + `, at, surfaces` + rows,
		`INSERT INTO audit_index (id, account_id, application_id, environment_id, actor_id, resource_id, correlation_id,
			created_at, kind, search)
		SELECT ` + made + `, account, ` + application + `, ` + environment + `, ` + who + `, ` + what + `,
			` + correlation + `, at, kind, label || '
' || name || '
` + zeros + `
` + ones + `
' || name` + rows,
	}
}
