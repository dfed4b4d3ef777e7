package outbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"canopy.dev/canopy/internal/platform/database"
)

// claim leases up to n due jobs, the longest due first.
func (w *Worker) claim(ctx context.Context, n int) ([]Job, error) {
	if n == 0 || len(w.Handlers) == 0 || w.Idle != nil && w.Idle() {
		return nil, nil
	}
	kinds, list := []any{}, []string{}
	for _, kind := range slices.Sorted(maps.Keys(w.Handlers)) {
		kinds = append(kinds, kind)
		list = append(list, fmt.Sprintf("$%d", len(kinds)+1))
	}
	due := `state = 'queued' AND next_at <= $1 AND kind IN (` + strings.Join(list, ", ") + `)`

	// Most looks find nothing and take no write transaction.
	found, err := database.Read(ctx, w.DB, func(tx *database.Tx) (found int, err error) {
		err = tx.QueryRow(ctx, `SELECT count(*) FROM (SELECT 1 AS one FROM outbox WHERE `+due+` LIMIT 1) AS any_due`, append([]any{tx.Now}, kinds...)...).Scan(&found)
		return found, err
	})
	if err != nil || found == 0 {
		return nil, err
	}
	lock := ""
	if w.DB.Engine == database.Postgres {
		lock = " FOR UPDATE SKIP LOCKED"
	}
	// MATERIALIZED, so that the choice is made once; a plan that repeated it would
	// take more than n.
	next := len(kinds) + 2
	query := fmt.Sprintf(`WITH due AS MATERIALIZED (SELECT id FROM outbox WHERE %s ORDER BY next_at, id LIMIT $%d%s)
		UPDATE outbox SET attempts = attempts + 1, next_at = $%d WHERE id IN (SELECT id FROM due)
		RETURNING id, kind, subject_id, version, payload, attempts, created_at, give_up_at`, due, next, lock, next+1)
	return database.Write(ctx, w.DB, func(tx *database.Tx) ([]Job, error) {
		args := append([]any{tx.Now}, kinds...)
		return database.All(ctx, tx, func(row database.Scanner) (j Job, err error) {
			err = row.Scan(&j.ID, &j.Kind, &j.SubjectID, &j.Version, &j.Payload, &j.Attempts, &j.CreatedAt, &j.giveUpAt)
			return j, err
		}, query, append(args, n, tx.Now.Add(lease))...)
	})
}

// The guard of every change to a claimed job: nobody has dropped it, and its
// lease has not passed on to another worker.
const held = ` AND state = 'queued' AND attempts = `

// end closes a job, wipes its payload and runs also in the same transaction; a
// job that is no longer this worker's is left alone. It does so even while the
// process is being stopped: what was sent shall not be sent again.
func (w *Worker) end(ctx context.Context, j Job, state string, cause error, also func(context.Context, *database.Tx) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease-deliverFor)
	defer cancel()
	ours, err := database.Write(ctx, w.DB, func(tx *database.Tx) (bool, error) {
		n, err := tx.Exec(ctx, `UPDATE outbox SET state = $1, payload = NULL, last_error = $2 WHERE id = $3`+held+`$4`, state, excerpt(cause), j.ID, j.Attempts)
		if err != nil || n == 0 || also == nil {
			return n > 0, err
		}
		return true, also(ctx, tx)
	})
	if ours && err == nil {
		w.observe(j, state)
	}
	return err
}

// postpone plans the next attempt, the last one for the moment the job is given
// up.
func (w *Worker) postpone(ctx context.Context, j Job, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lease-deliverFor)
	defer cancel()
	w.Log.InfoContext(ctx, "will try an outbox job again", "kind", j.Kind, "job", j.ID.String(), "attempts", j.Attempts, "error", cause)
	w.observe(j, "retry")
	return database.Do(ctx, w.DB, func(tx *database.Tx) error {
		at := tx.Now.Add(pause(j.Attempts))
		if at.After(j.giveUpAt) && tx.Now.Before(j.giveUpAt) {
			at = j.giveUpAt
		}
		_, err := tx.Exec(ctx, `UPDATE outbox SET next_at = $1, last_error = $2 WHERE id = $3`+held+`$4`, at, excerpt(cause), j.ID, j.Attempts)
		return err
	})
}

func (w *Worker) observe(j Job, result string) {
	if w.Observe != nil {
		w.Observe(j.Kind, result)
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
