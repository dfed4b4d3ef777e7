package mfa

import "canopy.dev/canopy/internal/platform/database"

const (
	selectFactors = `SELECT id, kind, label, webauthn_rp_id, enrolled_at, last_used_at FROM identity_factor
		WHERE account_id = $1 AND identity_id = $2 ORDER BY enrolled_at, id`

	countFactors = `SELECT count(*) FROM identity_factor WHERE account_id = $1 AND identity_id = $2`

	// Codes of earlier generations are dead, spent or not.
	selectCodes = `SELECT COALESCE(max(c.generation), 0), COALESCE(sum(CASE WHEN c.spent_at IS NULL AND c.generation =
			(SELECT max(n.generation) FROM identity_recovery_code n WHERE n.identity_id = c.identity_id) THEN 1 ELSE 0 END), 0)
		FROM identity_recovery_code c WHERE c.account_id = $1 AND c.identity_id = $2`

	deleteFactors = `DELETE FROM identity_factor WHERE account_id = $1 AND identity_id = $2`

	deleteDevices = `DELETE FROM identity_device WHERE account_id = $1 AND identity_id = $2`

	deleteCodes = `DELETE FROM identity_recovery_code WHERE account_id = $1 AND identity_id = $2`

	spendCodes = `UPDATE identity_recovery_code SET spent_at = $1
		WHERE account_id = $2 AND identity_id = $3 AND spent_at IS NULL`

	sweepDevices = `DELETE FROM identity_device WHERE environment_id = $1 AND id IN
		(SELECT id FROM identity_device WHERE environment_id = $1 LIMIT 500)`
)

func scan(row database.Scanner) (f Factor, err error) {
	return f, row.Scan(&f.ID, &f.Kind, &f.Label, &f.RPID, &f.EnrolledAt, &f.LastUsedAt)
}
