package outbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// A delivery that takes far longer than the lease stays one worker's: others that
// look for work all the while do not repeat it.
func TestSlowDeliveryKeepsItsLease(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		const short = 400 * time.Millisecond
		ended := make(chan struct{})
		b.h.deliver = func(ctx context.Context, _ Job) error {
			defer close(ended)
			select {
			case <-time.After(4 * short):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		ctx, stop := context.WithCancel(b.Context())
		var running sync.WaitGroup
		for range 3 {
			w := b.worker()
			w.lanes[0].lease = short
			running.Go(func() { w.Run(ctx) })
			running.Go(func() { // looks far more often than each second
				for ctx.Err() == nil {
					w.lanes[0].rouse()
					time.Sleep(short / 20)
				}
			})
		}
		<-ended
		stop()
		running.Wait()
		b.expect("done", 1)
		b.results(Sent)
		if n := len(b.h.delivered); n != 1 {
			b.Errorf("delivered %d times", n)
		}
	})
}

// A job that was taken back, or that another worker has, is let go of at once.
func TestLostJobEndsItsDelivery(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string]string{
		"dropped": `UPDATE outbox SET state = 'dropped', payload = NULL`,
		"taken":   `UPDATE outbox SET attempts = attempts + 1, next_at = next_at + 60000000`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(b bench) {
				b.enqueue(id.New[id.ID](b.db.Now()))
				b.h.deliver = func(ctx context.Context, _ Job) error {
					err := database.Do(ctx, b.db, func(tx *database.Tx) error {
						_, err := tx.Exec(ctx, lose)
						return err
					})
					if err != nil {
						return err
					}
					select {
					case <-ctx.Done():
						return ctx.Err()
					case <-time.After(10 * time.Second):
						return errors.New("the delivery was not ended")
					}
				}
				results := []string{}
				w := b.worker(func(l *Lane) { l.Observe = func(_, result string) { results = append(results, result) } })
				w.lanes[0].lease = 400 * time.Millisecond
				b.run(w, 1)
				b.results()
				if len(results) != 0 {
					b.Errorf("observed %v", results)
				}
			})
		})
	}
}

// A worker whose lease passes while the store can't be written, or since the clock
// jumped, does not take its own job a second time.
func TestJobUnderWayIsNotTakenAgain(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		started, release := make(chan struct{}, 10), make(chan struct{})
		b.h.deliver = func(context.Context, Job) error { started <- struct{}{}; <-release; return nil }
		w := b.worker()
		b.during(w, func() {
			b.fill(w.Queue("mail"), "mail", 1)
			<-started
			b.age(2 * lease)
			b.fill(w.Queue("mail"), "mail", 1) // proves that the worker has looked again
			<-started
			w.lanes[0].rouse()
			time.Sleep(50 * time.Millisecond)
			close(release)
		})
		if n := len(b.h.delivered); n != 2 {
			b.Errorf("two jobs were delivered %d times", n)
		}
	})
}

func TestDeliveryEndsWithTheTimeOfItsLane(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		var ended error
		b.h.deliver = func(ctx context.Context, _ Job) error {
			<-ctx.Done()
			ended = ctx.Err()
			return ended
		}
		b.run(b.worker(func(l *Lane) { l.Longest = 30 * time.Millisecond }), 1)
		b.expect("queued", 1)
		if !errors.Is(ended, context.DeadlineExceeded) {
			b.Errorf("ended by %v", ended)
		}
	})
}

// A clock that is set back makes no job wait for longer than it should (attack L9).
func TestClockSetBackDelaysNothing(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		const hour = time.Hour
		b.h.deliver = func(context.Context, Job) error { return errors.New("421") }
		b.fill(b.queue(), "mail", 3)
		due := func(want int) {
			b.Helper()
			if err := b.worker().lanes[0].rewind(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.run(b.worker(), want)
		}
		b.age(-hour) // never tried
		due(3)
		b.age(-hour) // tried once
		due(3)
		due(0) // their pause is 16 s, and stays
		b.age(-lease)
		due(0) // another worker's lease, by a clock that is a minute ahead, stays too
	})
}
