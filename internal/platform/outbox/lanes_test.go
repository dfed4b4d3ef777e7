package outbox

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// during runs fn while the worker runs, and waits for the worker.
func (b bench) during(w *Worker, fn func()) {
	b.Helper()
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	defer running.Wait()
	defer stop()
	fn()
}

// fill puts n due jobs of a kind into a lane.
func (b bench) fill(q Queue, kind string, n int) {
	b.Helper()
	b.do(func(tx *database.Tx) error {
		for range n {
			if err := q.Enqueue(b.Context(), tx, Job{Kind: kind, SubjectID: id.New[id.ID](tx.Now)}); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestFullLaneDelaysNoOther: one lane is full of due work and gets nowhere with
// it, be it because every job hangs or because every job fails at once.
func TestFullLaneDelaysNoOther(t *testing.T) {
	t.Parallel()
	hang := func(release <-chan struct{}) { <-release }
	fail := func(<-chan struct{}) {}
	for name, linger := range map[string]func(<-chan struct{}){"hangs": hang, "fails": fail} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(b bench) { b.besideFullLane(linger) })
		})
	}
}

func (b bench) besideFullLane(linger func(release <-chan struct{})) {
	const jobs, parallel = 10_000, 2
	started, release := make(chan struct{}, jobs), make(chan struct{})
	hooks := &handler{deliver: func(context.Context, Job) error {
		started <- struct{}{}
		linger(release)
		return errors.New("refused")
	}}
	sent := make(chan struct{}, 1)
	b.h.deliver = func(context.Context, Job) error { sent <- struct{}{}; return nil }
	w := b.lanes(
		Lane{Name: "hooks", Parallel: parallel, Handlers: map[string]Handler{"hook": hooks}},
		Lane{Name: "mail", Parallel: 1, Handlers: map[string]Handler{"mail": b.h}},
	)
	b.fill(w.Queue("hooks"), "hook", jobs)
	b.during(w, func() {
		defer close(release)
		for range parallel {
			<-started
		}
		for range 5 {
			b.fill(w.Queue("mail"), "mail", 1)
			select {
			case <-sent:
			case <-time.After(10 * time.Second):
				b.Error("a mail waited behind the other lane")
			}
		}
	})
}

func TestLaneWorksOnSoManyAtOnce(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		started, release := make(chan struct{}, 10), make(chan struct{})
		b.h.deliver = func(context.Context, Job) error { started <- struct{}{}; <-release; return nil }
		w := b.worker(func(l *Lane) { l.Parallel = 3 })
		b.fill(b.queue(), "mail", 10)
		b.during(w, func() {
			for range 3 {
				<-started
			}
			time.Sleep(50 * time.Millisecond)
			if n := len(started); n > 0 {
				b.Errorf("%d more than 3 jobs run at once", n)
			}
			close(release)
			for range 7 {
				<-started
			}
		})
	})
}

// TestCommitWakesTheLane: jobs are delivered far sooner than by the next look.
func TestCommitWakesTheLane(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		sent := make(chan time.Time, 1)
		b.h.deliver = func(context.Context, Job) error { sent <- time.Now(); return nil }
		w := b.worker()
		b.during(w, func() {
			var all time.Duration
			const jobs = 10
			for range jobs {
				b.fill(w.Queue("mail"), "mail", 1)
				committed := time.Now()
				all += (<-sent).Sub(committed)
			}
			if all > jobs*poll/4 {
				b.Errorf("%d jobs, one after the other, take %s", jobs, all)
			}
		})
	})
}

func TestUndoneWorkWakesNobody(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		woken := 0
		q := b.queue()
		q.Wake = func() { woken++ }
		no := errors.New("no")
		for _, end := range []error{no, nil} {
			err := database.Do(b.Context(), b.db, func(tx *database.Tx) error {
				return errors.Join(q.Enqueue(b.Context(), tx, Job{Kind: "mail", SubjectID: id.New[id.ID](tx.Now)}), end)
			})
			if !errors.Is(err, end) || woken > 0 != (end == nil) {
				b.Errorf("woken %d times after the end %v, %v", woken, end, err)
			}
		}
	})
}

func TestRunDueWorksInAllLanes(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		// What the last lane does makes work for the first.
		mails := b.queue()
		hooks := &handler{deliver: func(context.Context, Job) error { b.fill(mails, "mail", 1); return nil }}
		w := b.lanes(
			Lane{Name: "mail", Parallel: 1, Handlers: map[string]Handler{"mail": b.h}},
			Lane{Name: "hooks", Parallel: 1, Handlers: map[string]Handler{"hook": hooks}},
		)
		b.fill(mails, "mail", 2)
		b.fill(w.Queue("hooks"), "hook", 2)
		b.run(w, 6)
		if len(b.h.delivered) != 4 || len(hooks.delivered) != 2 {
			b.Errorf("%d mails and %d hooks are delivered", len(b.h.delivered), len(hooks.delivered))
		}
	})
}

func TestWorkerRefusesAMuddleOfLanes(t *testing.T) {
	t.Parallel()
	mails := Lane{Name: "mail", Parallel: 1, Handlers: map[string]Handler{"mail": &handler{}}}
	other := func(change func(*Lane)) []Lane {
		l := Lane{Name: "hooks", Parallel: 1, Handlers: map[string]Handler{"hook": &handler{}}}
		change(&l)
		return []Lane{mails, l}
	}
	for what, fn := range map[string]func(){
		"a lane twice":    func() { NewWorker(Config{Lanes: other(func(l *Lane) { l.Name = "mail" })}) },
		"a kind twice":    func() { NewWorker(Config{Lanes: other(func(l *Lane) { l.Handlers = mails.Handlers })}) },
		"a lane asleep":   func() { NewWorker(Config{Lanes: other(func(l *Lane) { l.Parallel = 0 })}) },
		"a nameless lane": func() { NewWorker(Config{Lanes: other(func(l *Lane) { l.Name = "" })}) },
		"no such lane":    func() { NewWorker(Config{Lanes: []Lane{mails}}).Queue("hooks") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			fn()
		}()
	}
}

// TestLaneIsFoundByItsIndex: a look for work reads none of the other lanes.
func TestLaneIsFoundByItsIndex(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.fill(Queue{Box: b.box, Lane: "hooks"}, "hook", 2000)
		due, args := b.worker().lanes[0].due(nil)
		query := `SELECT id FROM outbox WHERE ` + due + ` ORDER BY next_at, id LIMIT 4`
		explain := "EXPLAIN QUERY PLAN "
		if b.db.Engine == database.Postgres {
			explain = "EXPLAIN "
			b.do(func(tx *database.Tx) error { _, err := tx.Exec(b.Context(), `ANALYZE outbox`); return err })
		}
		plan := ""
		b.do(func(tx *database.Tx) error {
			return tx.Query(b.Context(), func(row database.Scanner) error {
				var a, c, d any
				var line string
				dest := []any{&a, &c, &d, &line}
				if b.db.Engine == database.Postgres {
					dest = dest[3:]
				}
				err := row.Scan(dest...)
				plan += line + "\n"
				return err
			}, explain+query, args(tx.Now)...)
		})
		if !strings.Contains(plan, "outbox_due") {
			b.Errorf("the plan is\n%s", plan)
		}
	})
}

// TestPanicOfALaneIsNotItsEnd: what panics outside a handler is logged, and the lane goes
// on with what comes.
func TestPanicOfALaneIsNotItsEnd(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.fill(b.queue(), "mail", 3)
		var panicked atomic.Bool
		ended := make(chan string, 3)
		ctx, stop := context.WithCancel(b.Context())
		var running sync.WaitGroup
		w := b.worker(func(l *Lane) {
			l.Observe = func(_, result string) {
				if !panicked.Swap(true) {
					panic("in the middle")
				}
				ended <- result
			}
		})
		running.Go(func() { w.Run(ctx) })
		for range 2 {
			if got := <-ended; got != "done" {
				b.Errorf("a job ended %s", got)
			}
		}
		stop()
		running.Wait()
		if n := dbtest.Number(b, b.db, `SELECT count(*) FROM outbox WHERE state = 'done'`); n != 3 {
			b.Errorf("%d jobs are done", n)
		}
	})
}
