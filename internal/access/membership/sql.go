package membership

import (
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

const (
	columns = `m.id, m.account_id, m.application_id, m.environment_id, m.identity_id, m.status, m.assignment_count,
		m.activated_at`

	selectMembership = `SELECT ` + columns + ` FROM membership m WHERE m.environment_id = $1 AND m.identity_id = $2`

	// Those in Environments that are there.
	selectEverywhere = `SELECT ` + columns + `, env.slug FROM membership m` +
		environment.JoinEnvironment + `m.environment_id WHERE m.account_id = $1 AND m.identity_id = $2
		ORDER BY m.environment_id`

	insertMembership = `INSERT INTO membership (id, account_id, application_id, environment_id, identity_id, status,
			email, name_fold, search, is_active, assignment_count, activated_at, created_at)
		VALUES ($1, $2, $3, $4, $5, 'active', $6, $7, $8, $9, 0, $10, $11)`

	activate = `UPDATE membership SET status = 'active', activated_at = $1
		WHERE environment_id = $2 AND identity_id = $3 AND status <> 'active' RETURNING id`

	deactivate = `UPDATE membership SET status = 'deactivated'
		WHERE environment_id = $1 AND identity_id = $2 AND status = 'active' RETURNING id`

	// A list of identities follows.
	selectActives = `SELECT identity_id FROM membership
		WHERE environment_id = $1 AND status = 'active' AND identity_id IN `

	selectActive = `SELECT count(*) FROM membership
		WHERE environment_id = $1 AND identity_id = $2 AND status = 'active'`

	// Rows follow, and addAssignmentsTo; the Environment is $1.
	addAssignments = `UPDATE membership SET assignment_count = assignment_count + by.column2 FROM (VALUES `
	addRow         = `(?, CAST(? AS BIGINT))`
	addTo          = `) by WHERE membership.environment_id = $1 AND membership.identity_id = by.column1`

	updateCopies = `UPDATE membership SET name_fold = $1, search = $2, is_active = $3
		WHERE account_id = $4 AND identity_id = $5`

	deleteMemberships = `DELETE FROM membership WHERE account_id = $1 AND identity_id = $2`

	// Those who are members, for lists.
	fromMembers = ` FROM membership m WHERE m.environment_id = $1 AND m.status = 'active'`

	selectSummary = `SELECT count(*), COALESCE(sum(CASE WHEN m.assignment_count > 0 THEN 1 ELSE 0 END), 0)` + fromMembers

	faceColumns = `m.identity_id, m.status, m.is_active, m.name_fold, m.search`

	selectFaces = `SELECT ` + faceColumns + ` FROM membership m WHERE m.environment_id = $1 AND m.assignment_count > 0`

	// ofEnvironment is a condition that no index serves: for statements that name people by
	// ids, where SQLite would rather look at the whole Environment.
	ofEnvironment = ` CASE WHEN m.environment_id = $1 THEN 1 END = 1`

	// A list of identities follows each of these.
	selectFacesOf = `SELECT ` + faceColumns + ` FROM membership m WHERE` + ofEnvironment + ` AND m.identity_id IN `
	selectCounts  = `SELECT m.identity_id, m.assignment_count FROM membership m WHERE` + ofEnvironment + `
		AND m.identity_id IN `

	selectMember = `SELECT ` + enduser.Columns + ` FROM membership m` + enduser.JoinIdentity + `m.identity_id
		WHERE m.environment_id = $1 AND m.identity_id = $2 AND m.status = 'active'`

	sweepMemberships = `DELETE FROM membership WHERE environment_id = $1 AND id IN
		(SELECT id FROM membership WHERE environment_id = $1 LIMIT 500)`
)

const (
	appColumns = `am.id, am.application_id, am.identity_id, am.status, am.invited_at, am.activated_at, am.deactivated_at`

	selectApp = `SELECT ` + appColumns + ` FROM app_membership am
		WHERE am.account_id = $1 AND am.application_id = $2 AND am.identity_id = $3`

	insertApp = `INSERT INTO app_membership (id, account_id, application_id, identity_id, status, email, name_fold,
			search, is_active, activated_at, created_at)
		VALUES ($1, $2, $3, $4, 'active', $5, $6, $7, $8, $9, $10)`

	activateApp = `UPDATE app_membership SET status = 'active', activated_at = $1, deactivated_at = NULL
		WHERE account_id = $2 AND application_id = $3 AND identity_id = $4`

	updateInvited = `UPDATE app_membership SET invited_at = $1
		WHERE account_id = $2 AND application_id = $3 AND identity_id = $4`

	deactivateApp = `UPDATE app_membership SET status = 'deactivated', deactivated_at = $1
		WHERE account_id = $2 AND application_id = $3 AND identity_id = $4 AND status = 'active' RETURNING id`

	updateAppCopies = `UPDATE app_membership SET name_fold = $1, search = $2, is_active = $3
		WHERE account_id = $4 AND identity_id = $5`

	deleteApps = `DELETE FROM app_membership WHERE account_id = $1 AND identity_id = $2`

	fromAppMembers = ` FROM app_membership m
		WHERE m.account_id = $1 AND m.application_id = $2 AND m.status = 'active'`

	selectAppSummary = `SELECT count(*), COALESCE(sum(CASE WHEN here.assignment_count > 0 THEN 1 ELSE 0 END), 0)
		FROM app_membership m LEFT JOIN membership here ON here.environment_id = $3
			AND here.identity_id = m.identity_id AND here.status = 'active'
		WHERE m.account_id = $1 AND m.application_id = $2 AND m.status = 'active'`

	selectAppMember = `SELECT ` + enduser.Columns + ` FROM app_membership m` + enduser.JoinIdentity + `m.identity_id
		WHERE m.account_id = $1 AND m.application_id = $2 AND m.identity_id = $3 AND m.status = 'active'`

	sweepApps = `DELETE FROM app_membership WHERE account_id = $1 AND application_id = $2 AND id IN
		(SELECT id FROM app_membership WHERE application_id = $2 LIMIT 500)`
)

const (
	// Of identities as m, in Environments that are there.
	anyAssignment = `(SELECT 1 FROM membership there` + environment.JoinEnvironment + `there.environment_id
		WHERE there.account_id = $1 AND there.identity_id = m.id AND there.assignment_count > 0)`

	// Lists of identities follow, and the grouping.
	countApps = `SELECT am.identity_id, count(*) FROM app_membership am` + application.JoinApplication +
		`am.application_id WHERE am.account_id = $1 AND am.status = 'active' AND am.identity_id IN `
	countEverywhere = `SELECT m.identity_id, sum(m.assignment_count) FROM membership m` + environment.JoinEnvironment +
		`m.environment_id WHERE m.account_id = $1 AND m.identity_id IN `

	selectDirectoryCounts = `SELECT count(*), COALESCE(sum(m.is_active), 0),
		COALESCE(sum(CASE WHEN m.email_verified_at IS NULL THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN NOT EXISTS (SELECT 1 FROM app_membership am` + application.JoinApplication +
		`am.application_id WHERE am.identity_id = m.id AND am.status = 'active') THEN 1 ELSE 0 END), 0)` +
		enduser.FromAccount

	selectApplicationsOf = `SELECT ` + appColumns + `, app.slug, app.name,
			(SELECT COALESCE(sum(m.assignment_count), 0) FROM membership m` + environment.JoinEnvironment +
		`m.environment_id WHERE m.application_id = am.application_id AND m.identity_id = am.identity_id)
		FROM app_membership am` + application.JoinApplication + `am.application_id
		WHERE am.account_id = $1 AND am.identity_id = $2 ORDER BY am.id`

	selectEnvironmentsOf = `SELECT ` + columns + `, env.slug, env.name, app.slug FROM membership m` +
		environment.JoinEnvironment + `m.environment_id` + application.JoinApplication + `m.application_id
		WHERE m.account_id = $1 AND m.identity_id = $2 ORDER BY app.created_at, app.id, env.created_at, env.id`
)

func scanApplicationOf(row database.Scanner) (a ApplicationOf, err error) {
	return a, row.Scan(&a.ID, &a.Application, &a.Identity, &a.Status, &a.InvitedAt, &a.ActivatedAt, &a.DeactivatedAt,
		&a.Slug, &a.Name, &a.Assignments)
}

func scanEnvironmentOf(row database.Scanner) (e EnvironmentOf, err error) {
	slug := ""
	e.Membership, err = scanWith(row, &slug, &e.Name, &e.ApplicationSlug)
	e.In.Slug = slug
	return e, err
}

func scan(row database.Scanner) (Membership, error) { return scanWith(row) }

func scanPlaced(row database.Scanner) (m Membership, err error) {
	slug := ""
	m, err = scanWith(row, &slug)
	m.In.Slug = slug
	return m, err
}

func scanWith(row database.Scanner, more ...any) (m Membership, err error) {
	err = row.Scan(append([]any{
		&m.ID, &m.In.Application.Account.ID, &m.In.Application.ID, &m.In.ID, &m.Identity, &m.Status, &m.Assignments,
		&m.ActivatedAt,
	}, more...)...)
	return m, err
}

func scanApp(row database.Scanner) (a App, err error) {
	return a, row.Scan(&a.ID, &a.Application, &a.Identity, &a.Status, &a.InvitedAt, &a.ActivatedAt, &a.DeactivatedAt)
}
