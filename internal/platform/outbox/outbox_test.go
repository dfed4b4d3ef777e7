package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

const link = "https://canopy.example/app/accept-invite#token=0123456789"

// handler records what it is asked; its functions may be set.
type handler struct {
	mu        sync.Mutex
	delivered []Job
	settled   []Result

	wanted  func(Job) bool
	deliver func(context.Context, Job) error
	settle  func() error
}

func (h *handler) Wanted(_ context.Context, _ *database.Tx, j Job) (bool, error) {
	return h.wanted == nil || h.wanted(j), nil
}

func (h *handler) Deliver(ctx context.Context, j Job) error {
	h.mu.Lock()
	h.delivered = append(h.delivered, j)
	h.mu.Unlock()
	if h.deliver == nil {
		return nil
	}
	return h.deliver(ctx, j)
}

func (h *handler) Settled(_ context.Context, _ *database.Tx, _ Job, r Result) error {
	if h.settle != nil {
		if err := h.settle(); err != nil {
			return err
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.settled = append(h.settled, r)
	return nil
}

type bench struct {
	*testing.T
	db  *database.DB
	box *secret.Box
	h   *handler
}

func each(t *testing.T, f func(b bench)) {
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		box, err := secret.NewBox(make([]byte, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		f(bench{t, db, box, &handler{}})
	})
}

// worker has one lane of one kind, and what change makes of it.
func (b bench) worker(change ...func(*Lane)) *Worker {
	l := Lane{Name: "mail", Parallel: 4, Handlers: map[string]Handler{"mail": b.h}}
	for _, c := range change {
		c(&l)
	}
	return b.lanes(l)
}

func (b bench) lanes(list ...Lane) *Worker {
	return NewWorker(Config{DB: b.db, Box: b.box, Lanes: list, Log: slog.New(slog.DiscardHandler)})
}

func (b bench) do(fn func(*database.Tx) error) {
	b.Helper()
	if err := database.Do(b.Context(), b.db, fn); err != nil {
		b.Fatal(err)
	}
}

func (b bench) queue() Queue { return Queue{Box: b.box, Lane: "mail"} }

func (b bench) enqueue(subject id.ID) {
	b.Helper()
	b.do(func(tx *database.Tx) error {
		j := Job{Kind: "mail", SubjectID: subject, Version: "1", Payload: []byte(link)}
		return b.queue().Enqueue(b.Context(), tx, j)
	})
}

func (b bench) run(w *Worker, want int) {
	b.Helper()
	if n, err := w.RunDue(b.Context()); err != nil || n != want {
		b.Fatalf("RunDue() = %d, %v, want %d attempts", n, err, want)
	}
}

// age moves every job d into the past.
func (b bench) age(d time.Duration) {
	b.Helper()
	b.do(func(tx *database.Tx) error {
		_, err := tx.Exec(b.Context(), `UPDATE outbox
			SET next_at = next_at - $1, give_up_at = give_up_at - $1, created_at = created_at - $1`, d.Microseconds())
		return err
	})
}

// expect compares the one job's row.
func (b bench) expect(state string, attempts int) {
	b.Helper()
	var gotState string
	var gotAttempts int
	var payload []byte
	b.do(func(tx *database.Tx) error {
		return tx.QueryRow(b.Context(), `SELECT state, attempts, payload FROM outbox`).
			Scan(&gotState, &gotAttempts, &payload)
	})
	if gotState != state || gotAttempts != attempts {
		b.Errorf("the job is %s after %d attempts, want %s after %d", gotState, gotAttempts, state, attempts)
	}
	if wiped := payload == nil; wiped != (state != "queued") {
		b.Errorf("a %s job's payload: %d bytes", state, len(payload))
	}
	if bytes.Contains(payload, []byte("token")) {
		b.Error("a payload lies in clear")
	}
}

func (b bench) results(want ...Result) {
	b.Helper()
	if fmt.Sprint(b.h.settled) != fmt.Sprint(want) {
		b.Errorf("settled as %v, want %v", b.h.settled, want)
	}
}

func TestDeliveredJobIsDoneAndWiped(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		subject := id.New[id.ID](b.db.Now())
		b.enqueue(subject)
		b.expect("queued", 0)
		if n, _, err := Depth(b.Context(), b.db); n != 1 || err != nil {
			b.Errorf("depth %d, %v", n, err)
		}
		b.run(b.worker(), 1)
		b.expect("done", 1)
		b.results(Sent)
		if j := b.h.delivered[0]; string(j.Payload) != link || j.SubjectID != subject || j.Version != "1" ||
			j.CreatedAt.IsZero() {
			b.Errorf("delivered %+v", j)
		}
		b.run(b.worker(), 0)
		if n, oldest, err := Depth(b.Context(), b.db); n != 0 || oldest != 0 || err != nil {
			b.Errorf("depth %d, %s, %v", n, oldest, err)
		}
	})
}

func TestEnqueueIsUndoneWithItsTransaction(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		no := errors.New("no")
		_ = database.Do(b.Context(), b.db, func(tx *database.Tx) error {
			j := Job{Kind: "mail", SubjectID: id.New[id.ID](tx.Now)}
			return errors.Join(b.queue().Enqueue(b.Context(), tx, j), no)
		})
		b.run(b.worker(), 0)
	})
}

func TestDeadWorkersJobComesBack(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		if jobs, err := b.worker().lanes[0].claim(b.Context(), 4); err != nil || len(jobs) != 1 {
			b.Fatal(jobs, err)
		} // and never heard of again
		b.run(b.worker(), 0)
		b.age(lease)
		b.run(b.worker(), 1)
		b.expect("done", 2)
	})
}

func TestUnsettledDeliveryIsRepeated(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.settle = func() error { return errors.New("the store is gone") }
		if _, err := b.worker().RunDue(b.Context()); err == nil {
			b.Error("not settled, and no error")
		}
		b.expect("queued", 1)
		b.h.settle = nil
		b.age(lease)
		b.run(b.worker(), 1)
		b.expect("done", 2)
		b.results(Sent)
		if len(b.h.delivered) != 2 || string(b.h.delivered[1].Payload) != link {
			b.Errorf("delivered %d times", len(b.h.delivered))
		}
	})
}

func TestWorkerThatLostItsLeaseSettlesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		slow := b.worker().lanes[0]
		jobs, err := slow.claim(b.Context(), 1)
		if err != nil || len(jobs) != 1 {
			b.Fatal(err)
		}
		b.age(lease)
		b.run(b.worker(), 1)
		if err := slow.work(b.Context(), jobs[0]); err != nil {
			b.Fatal(err)
		}
		b.expect("done", 2)
		b.results(Sent)
	})
}

func TestPermanentRefusalIsDeadAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.deliver = func(context.Context, Job) error { return fmt.Errorf("smtp: %w", Permanently(errors.New("550"))) }
		b.run(b.worker(), 1)
		b.expect("dead", 1)
		b.results(Failed)
	})
}

func TestFailingJobIsTriedForADay(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.deliver = func(context.Context, Job) error { return errors.New("421 " + strings.Repeat("é\x00", 400)) }
		w, attempts := b.worker(), 0
		for range 24 {
			n, err := w.RunDue(b.Context())
			if err != nil || n > 1 {
				b.Fatal(n, err)
			}
			attempts += n
			b.expect("queued", attempts)
			b.age(time.Hour)
		}
		if attempts < 5 || attempts > 20 {
			b.Errorf("%d attempts in a day", attempts)
		}
		b.run(w, 1)
		b.expect("dead", attempts+1)
		b.results(Failed)
	})
}

func TestPausesGrow(t *testing.T) {
	t.Parallel()
	for n, least := range map[int]time.Duration{
		1: time.Second, 2: 16 * time.Second, 5: 625 * time.Second, 100: 160_000 * time.Second,
	} {
		if p := pause(n); p < least || p > least+least/5 {
			t.Errorf("pause(%d) = %s, want %s and up to a fifth more", n, p, least)
		}
	}
}

func TestPanicIsAFailedAttempt(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.deliver = func(context.Context, Job) error { panic("boom") }
		b.run(b.worker(), 1)
		b.expect("queued", 1)
		b.results()
	})
}

func TestJobThatEndsItsWorkersIsGivenUp(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.do(func(tx *database.Tx) error {
			_, err := tx.Exec(b.Context(), `UPDATE outbox SET attempts = $1`, maxAttempts)
			return err
		})
		b.run(b.worker(), 1)
		b.expect("dead", maxAttempts+1)
		if b.results(Failed); len(b.h.delivered) != 0 {
			b.Error("delivered once more")
		}
	})
}

func TestDroppedJobIsNotDelivered(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		subject := id.New[id.ID](b.db.Now())
		b.enqueue(subject)
		drop := func(kind string, subject id.ID) {
			b.do(func(tx *database.Tx) error { return Drop(b.Context(), tx, kind, subject) })
		}
		drop("other", subject)
		drop("mail", id.New[id.ID](b.db.Now()))
		b.expect("queued", 0)
		drop("mail", subject)
		b.expect("dropped", 0)
		b.run(b.worker(), 0)
	})
}

func TestJobDroppedUnderDeliveryIsNotSettled(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		subject := id.New[id.ID](b.db.Now())
		b.enqueue(subject)
		b.h.deliver = func(ctx context.Context, _ Job) error {
			return database.Do(ctx, b.db, func(tx *database.Tx) error { return Drop(ctx, tx, "mail", subject) })
		}
		b.run(b.worker(), 1)
		b.expect("dropped", 1)
		b.results()
	})
}

func TestUnwantedJobIsDropped(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.wanted = func(j Job) bool { return j.Version != "1" }
		b.run(b.worker(), 1)
		b.expect("dropped", 1)
		if b.results(); len(b.h.delivered) != 0 {
			b.Error("delivered all the same")
		}
	})
}

func TestIdleWorkerAndForeignKindLeaveJobsQueued(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.run(b.worker(func(l *Lane) { l.Idle = func() bool { return true } }), 0)
		b.run(b.worker(func(l *Lane) { l.Handlers = map[string]Handler{"hook": b.h} }), 0)
		b.run(b.worker(func(l *Lane) { l.Name = "hooks" }), 0)
		b.expect("queued", 0)
		// Once there is a mail server, even an old job gets its attempt.
		b.age(72 * time.Hour)
		b.run(b.worker(), 1)
		b.expect("done", 1)
	})
}

func TestWorkersNeverShareAJob(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		const jobs = 30
		for range jobs {
			b.enqueue(id.New[id.ID](b.db.Now()))
		}
		var mu sync.Mutex
		times, all := map[id.ID]int{}, make(chan struct{})
		b.h.deliver = func(_ context.Context, j Job) error {
			time.Sleep(2 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if times[j.ID]++; len(times) == jobs && times[j.ID] == 1 {
				close(all)
			}
			return nil
		}
		ctx, stop := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		for range 3 {
			w := b.worker()
			wg.Go(func() { w.Run(ctx) })
		}
		select {
		case <-all:
		case <-time.After(30 * time.Second):
			b.Error("not all jobs were delivered")
		}
		stop()
		wg.Wait()
		for j, n := range times {
			if n != 1 {
				b.Errorf("%s was delivered %d times", j, n)
			}
		}
		if n, _, err := Depth(context.WithoutCancel(b.Context()), b.db); n != 0 || err != nil {
			b.Errorf("%d jobs are left, %v: Run did not wait", n, err)
		}
	})
}

func TestSweepDeletesOldEndedJobs(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.do(func(tx *database.Tx) error {
			old := id.New[id.ID](tx.Now.Add(-keepEnded - time.Hour))
			return b.queue().Enqueue(b.Context(), tx, Job{ID: old, Kind: "mail", SubjectID: old})
		})
		count := func() (n int) {
			b.do(func(tx *database.Tx) error { return tx.QueryRow(b.Context(), `SELECT count(*) FROM outbox`).Scan(&n) })
			return n
		}
		if err := Sweep(b.Context(), b.db); err != nil || count() != 1 {
			b.Fatalf("a queued job was swept, or %v", err)
		}
		b.run(b.worker(), 1)
		b.enqueue(id.New[id.ID](b.db.Now()))
		if err := Sweep(b.Context(), b.db); err != nil || count() != 1 {
			b.Errorf("%d rows, %v", count(), err)
		}
	})
}
