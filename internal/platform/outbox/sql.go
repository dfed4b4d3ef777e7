package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

const insertJob = `INSERT INTO outbox
	(id, lane, kind, subject_id, version, payload, state, attempts, next_at, give_up_at, last_error, created_at)
	VALUES ($1, $2, $3, $4, $5, $6, 'queued', 0, $7, $8, '', $7)`

// countQueued stops at the bound that it is asked for.
const countQueued = `SELECT count(*) FROM
	(SELECT 1 AS one FROM outbox WHERE state = 'queued' AND lane = $1 LIMIT $2) AS queued`

const dropJobs = `UPDATE outbox SET state = 'dropped', payload = NULL
	WHERE subject_id = $1 AND kind = $2 AND state = 'queued'`

const anyDue = `SELECT count(*) FROM (SELECT 1 AS one FROM outbox WHERE %s LIMIT 1) AS any_due`

// MATERIALIZED, so that the choice is made once; a plan that repeated it would
// take more than it may.
const leaseDue = `WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE %s ORDER BY next_at, id LIMIT $%d%s)
	UPDATE outbox SET attempts = attempts + 1, next_at = $%d WHERE id IN (SELECT id FROM due)
	RETURNING id, kind, subject_id, version, payload, attempts, created_at, give_up_at`

// claim leases up to n due jobs of the lane, the longest due first, but none that
// is under way here: its lease may have passed while the store could not be reached.
func (l *lane) claim(ctx context.Context, n int, underWay ...id.ID) ([]Job, error) {
	if n == 0 || len(l.Handlers) == 0 || l.Idle != nil && l.Idle() {
		return nil, nil
	}
	due, args := l.due(underWay)
	// Most looks find nothing and take no write transaction.
	found, err := database.Read(ctx, l.db, func(tx *database.Tx) (found int, err error) {
		err = tx.QueryRow(ctx, fmt.Sprintf(anyDue, due), args(tx.Now)...).Scan(&found)
		return found, err
	})
	if err != nil || found == 0 {
		return nil, err
	}
	lock := ""
	if l.db.Engine == database.Postgres {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	next := len(args(time.Time{})) + 1
	query := fmt.Sprintf(leaseDue, due, next, lock, next+1)
	return database.Write(ctx, l.db, func(tx *database.Tx) ([]Job, error) {
		return database.All(ctx, tx, scanJob, query, append(args(tx.Now), n, tx.Now.Add(l.lease))...)
	})
}

// due is the condition of jobs that the lane can work on, and its arguments, of
// which the last is the moment.
func (l *lane) due(underWay []id.ID) (condition string, args func(now time.Time) []any) {
	values := []any{l.Name}
	list := func(n int, value func(int) any) string {
		marks := make([]string, n)
		for i := range marks {
			values = append(values, value(i))
			marks[i] = fmt.Sprintf("$%d", len(values))
		}
		return strings.Join(marks, ", ")
	}
	kinds := slices.Sorted(maps.Keys(l.Handlers))
	condition = `state = 'queued' AND lane = $1 AND kind IN (` +
		list(len(kinds), func(i int) any { return kinds[i] }) + `)`
	if len(underWay) > 0 {
		condition += ` AND id NOT IN (` + list(len(underWay), func(i int) any { return underWay[i] }) + `)`
	}
	condition += fmt.Sprintf(` AND next_at <= $%d`, len(values)+1)
	return condition, func(now time.Time) []any { return append(slices.Clone(values), now) }
}

func scanJob(row database.Scanner) (j Job, err error) {
	err = row.Scan(&j.ID, &j.Kind, &j.SubjectID, &j.Version, &j.Payload, &j.Attempts, &j.CreatedAt, &j.giveUpAt)
	return j, err
}

// The guard of every change to a claimed job: nobody has dropped it, and its
// lease has not passed on to another worker.
const (
	held        = ` AND state = 'queued' AND attempts = `
	endJob      = `UPDATE outbox SET state = $1, payload = NULL, last_error = $2 WHERE id = $3` + held + `$4`
	postponeJob = `UPDATE outbox SET next_at = $1, last_error = $2 WHERE id = $3` + held + `$4`
	// A job that waits for longer than its pause was planned by a clock that has been
	// set back since: it is due. One that was tried may be in the hands of a worker
	// whose clock is ahead, and so gets more time.
	bringForward = `UPDATE outbox SET next_at = $1 WHERE state = 'queued' AND lane = $2 AND next_at > $1
		AND (attempts = 0 OR next_at > $1 + $3 + $4 * attempts * attempts * attempts * attempts)`
	renewLease = `UPDATE outbox SET next_at = $1 WHERE id = $2` + held + `$3`
)

// rewind makes jobs due which wait only since the clock was set back.
func (l *lane) rewind(ctx context.Context) error {
	return database.Do(ctx, l.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, bringForward, tx.Now, l.Name, ahead.Microseconds(), longestPause(1).Microseconds())
		return err
	})
}

// renew starts the lease again; false when the job is no longer this worker's.
func (l *lane) renew(ctx context.Context, j Job) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, settleFor)
	defer cancel()
	return database.Write(ctx, l.db, func(tx *database.Tx) (bool, error) {
		n, err := tx.Exec(ctx, renewLease, tx.Now.Add(l.lease), j.ID, j.Attempts)
		return n > 0, err
	})
}

// end closes a job, wipes its payload and runs also in the same transaction; a
// job that is no longer this worker's is left alone. It does so even while the
// process is being stopped: what was sent shall not be sent again.
func (l *lane) end(
	ctx context.Context, j Job, state string, cause error,
	also func(context.Context, *database.Tx) error,
) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	ours, err := database.Write(ctx, l.db, func(tx *database.Tx) (bool, error) {
		n, err := tx.Exec(ctx, endJob, state, excerpt(cause), j.ID, j.Attempts)
		if err != nil || n == 0 || also == nil {
			return n > 0, err
		}
		return true, also(ctx, tx)
	})
	if ours && err == nil {
		l.observe(j, state)
	}
	return err
}

// postpone plans the next attempt, the last one for the moment the job is given
// up.
func (l *lane) postpone(ctx context.Context, j Job, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	l.log.InfoContext(ctx, "will try an outbox job again", "kind", j.Kind, "job", j.ID.String(),
		"attempts", j.Attempts, "error", cause)
	l.observe(j, "retry")
	return database.Do(ctx, l.db, func(tx *database.Tx) error {
		at := tx.Now.Add(pause(j.Attempts))
		if at.After(j.giveUpAt) && tx.Now.Before(j.giveUpAt) {
			at = j.giveUpAt
		}
		_, err := tx.Exec(ctx, postponeJob, at, excerpt(cause), j.ID, j.Attempts)
		return err
	})
}

func (l *lane) observe(j Job, result string) {
	if l.Observe != nil {
		l.Observe(j.Kind, result)
	}
}

// excerpt is an error as the table keeps it.
func excerpt(err error) string {
	if err == nil {
		return ""
	}
	s := strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "")
	for len(s) > 500 {
		_, size := utf8.DecodeLastRuneInString(s[:501])
		s = s[:501-size]
	}
	return s
}
