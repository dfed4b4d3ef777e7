package export

import (
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
)

const (
	jobColumns = `id, account_id, application_id, environment_id, surface, format, status, row_count, error, created_at,
		completed_at, expires_at, COALESCE(size, 0)`
	// fromJobs are the jobs on a surface and within a reach, as long as they are kept.
	fromJobs = ` FROM audit_export WHERE account_id = $1 AND scope_id = $2 AND surface = $3 AND status <> 'deleted'
		AND (expires_at IS NULL OR expires_at > $4)`
	selectJobs = `SELECT ` + jobColumns + fromJobs + ` ORDER BY created_at DESC, id DESC LIMIT $5`
	selectJob  = `SELECT ` + jobColumns + fromJobs + ` AND id = $5`
	selectFile = `SELECT ` + jobColumns + ` FROM audit_export
		WHERE account_id = $1 AND id = $2 AND status = 'completed' AND expires_at > $3`

	// insertJob does nothing where another unfinished job of the Account has the slot.
	insertJob = `INSERT INTO audit_export (id, account_id, application_id, environment_id, scope_id, surface, format,
		filter, stated, status, slot, tries, created_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'pending', $10, 0, $11) ON CONFLICT (account_id, slot) DO NOTHING`

	endJob = `UPDATE audit_export SET status = 'deleted', slot = NULL, claim = NULL, filter = NULL, expires_at = $1
		WHERE account_id = $2 AND id = $3 AND status <> 'deleted' RETURNING stated`
	cutJobs = `UPDATE audit_export SET status = 'deleted', slot = NULL, claim = NULL, filter = NULL, expires_at = $1
		WHERE environment_id = $2 AND status <> 'deleted'`

	// selectClaimable are jobs that nobody works on, first those of Accounts of which none is under
	// way. A lease that lasts longer than any is of a clock that was set back, and is nobody's.
	selectClaimable = `SELECT id, account_id FROM audit_export e
		WHERE slot IS NOT NULL AND (claim IS NULL OR lease_until <= $1 OR lease_until > $2)
		ORDER BY (SELECT count(*) FROM audit_export o
			WHERE o.account_id = e.account_id AND o.slot IS NOT NULL AND o.claim IS NOT NULL AND o.lease_until > $1),
			created_at, id LIMIT 1`
	claimJob = `UPDATE audit_export SET status = 'processing', tries = tries + 1, claim = $1, lease_until = $2
		WHERE account_id = $3 AND id = $4 AND slot IS NOT NULL
			AND (claim IS NULL OR lease_until <= $5 OR lease_until > $6)
		RETURNING tries, filter, stated, application_id, environment_id, scope_id, surface, format`
	// renewClaim locks the job, so that nobody takes it before the transaction has ended.
	renewClaim = `UPDATE audit_export SET lease_until = $1 WHERE account_id = $2 AND id = $3 AND claim = $4`
	giveJob    = `UPDATE audit_export SET status = 'pending', tries = tries - 1, claim = NULL, lease_until = NULL
		WHERE account_id = $1 AND id = $2 AND claim = $3`
	completeJob = `UPDATE audit_export SET status = 'completed', slot = NULL, claim = NULL, lease_until = NULL,
		filter = NULL, row_count = $1, size = $2, completed_at = $3, expires_at = $4
		WHERE account_id = $5 AND id = $6 AND claim = $7`
	failJob = `UPDATE audit_export SET status = 'failed', slot = NULL, claim = NULL, lease_until = NULL,
		filter = NULL, error = $1, expires_at = $2
		WHERE account_id = $3 AND id = $4 AND claim = $5`

	insertPiece  = `INSERT INTO audit_export_piece (export_id, number, account_id, data) VALUES ($1, $2, $3, $4)`
	selectPiece  = `SELECT data FROM audit_export_piece WHERE account_id = $1 AND export_id = $2 AND number = $3`
	selectPieces = `SELECT number FROM audit_export_piece WHERE account_id = $1 AND export_id = $2
		ORDER BY number LIMIT $3`
	deletePieces = `DELETE FROM audit_export_piece WHERE account_id = $1 AND export_id = $2 AND number <= $3`

	selectExpired = `SELECT id, account_id FROM audit_export WHERE expires_at <= $1 ORDER BY expires_at LIMIT 50`
	selectGone    = `SELECT id, account_id FROM audit_export WHERE environment_id = $1 ORDER BY id LIMIT 1`
	deleteJob     = `DELETE FROM audit_export WHERE account_id = $1 AND id = $2`
)

func scanJob(row database.Scanner) (j Job, err error) {
	err = row.Scan(&j.ID, &j.Account, &j.Application, &j.Environment, &j.Surface, &j.Format, &j.Status, &j.RowCount,
		&j.Error, &j.CreatedAt, &j.CompletedAt, &j.ExpiresAt, &j.Size)
	if j.Status != Completed {
		j.ExpiresAt = time.Time{} // a failed one is swept, too, and says nothing of it
	}
	return j, err
}

func scanKey(row database.Scanner) (k key, err error) { return k, row.Scan(&k.id, &k.account) }

// stored is what is kept as JSON.
func stored(v any) (string, error) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	return string(raw), err
}
