package outbox

import (
	"context"
	"errors"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// task is a worker whose jobs are done within the store: each writes a row. Its function
// may fail after that.
func (b bench) task(after func() error) *Worker {
	return b.worker(func(l *Lane) {
		l.Handlers["mail"] = Task(func(ctx context.Context, tx *database.Tx, j Job) error {
			_, err := tx.Exec(ctx, `INSERT INTO done (job, payload) VALUES ($1, $2)`, j.ID, string(j.Payload))
			if err == nil && after != nil {
				err = after()
			}
			return err
		})
	})
}

// rows are what the tasks have written.
func (b bench) rows() (n int) {
	b.Helper()
	b.do(func(tx *database.Tx) error { return tx.QueryRow(b.Context(), `SELECT count(*) FROM done`).Scan(&n) })
	return n
}

func eachTask(t *testing.T, f func(b bench)) {
	t.Helper()
	each(t, func(b bench) {
		b.do(func(tx *database.Tx) error {
			_, err := tx.Exec(b.Context(), `CREATE TABLE done (job TEXT, payload TEXT)`)
			return err
		})
		f(b)
	})
}

// A task is begun again after a crash, and has its effects once.
func TestTaskIsDoneOnce(t *testing.T) {
	t.Parallel()
	eachTask(t, func(b bench) {
		b.enqueue(id.ID{1})
		fail := errors.New("the disk is full")
		if n, err := b.task(func() error { return fail }).RunDue(b.Context()); n != 1 || !errors.Is(err, fail) {
			b.Fatal(n, err)
		}
		if n := b.rows(); n != 0 {
			b.Errorf("%d rows of a task that failed", n)
		}
		b.expect("queued", 1)

		// One worker is slow, and its lease passes on to another that does the task.
		b.age(time.Hour)
		second := b.task(nil)
		jobs, err := second.lanes[0].claim(b.Context(), 1)
		if err != nil || len(jobs) != 1 {
			b.Fatal(jobs, err)
		}
		b.age(time.Hour)
		b.run(b.task(nil), 1)
		if err := second.lanes[0].work(b.Context(), jobs[0]); err != nil {
			b.Error(err)
		}
		if n := b.rows(); n != 1 {
			b.Errorf("it was done %d times", n)
		}
		b.expect("done", 3)
	})
}

// After a day nobody waits for it any more.
func TestOldTaskIsDropped(t *testing.T) {
	t.Parallel()
	eachTask(t, func(b bench) {
		b.enqueue(id.ID{1})
		b.age(24 * time.Hour)
		b.run(b.task(nil), 1)
		if n := b.rows(); n != 0 {
			b.Errorf("it was done %d times", n)
		}
		b.expect("dropped", 1)
	})
}

// A lane that is full takes no more until a job has ended; another lane does.
func TestFullLaneRefuses(t *testing.T) {
	t.Parallel()
	eachTask(t, func(b bench) {
		w := b.task(nil)
		narrow := w.Open(Lane{Name: "narrow", Parallel: 1, Most: 2, Handlers: map[string]Handler{"narrow": b.h}})
		add := func() error {
			return database.Do(b.Context(), b.db, func(tx *database.Tx) error {
				return narrow.Enqueue(b.Context(), tx, Job{Kind: "narrow", SubjectID: id.ID{1}})
			})
		}
		for range 2 {
			if err := add(); err != nil {
				b.Fatal(err)
			}
			b.enqueue(id.ID{2})
		}
		if err := add(); !errors.Is(err, fault.Busy) {
			b.Errorf("a third: %v", err)
		}
		b.enqueue(id.ID{2})
		b.run(w, 5)
		if err := add(); err != nil {
			b.Errorf("after two have ended: %v", err)
		}
	})
}
