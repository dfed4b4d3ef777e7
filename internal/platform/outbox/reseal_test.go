package outbox

import (
	"bytes"
	"context"
	"testing"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

func boxOf(t *testing.T, keys ...byte) *secret.Box {
	t.Helper()
	list := [][]byte{}
	for _, b := range keys {
		list = append(list, bytes.Repeat([]byte{b}, secret.KeySize))
	}
	box, err := secret.NewBox(list...)
	if err != nil {
		t.Fatal(err)
	}
	return box
}

func TestQueuedJobsComeUnderTheFirstKey(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		ended := id.New[id.ID](b.db.Now())
		b.enqueue(ended)
		b.run(b.worker(), 1)
		for n := range 3 {
			b.enqueue(id.New[id.ID](b.db.Now()))
			if n == 0 { // as earlier versions did
				b.do(func(tx *database.Tx) error {
					_, err := tx.Exec(b.Context(), `UPDATE outbox SET payload = substr(payload, 13)`)
					return err
				})
			}
		}
		turned := boxOf(b.T, 9, 0)
		for _, done := range []int{3, 0} {
			r, err := Reseal(b.Context(), b.db, turned)
			if err != nil || r.Done != done || r.Left != 0 || len(r.Lost) != 0 {
				b.Errorf("%+v, %v; want %d done", r, err, done)
			}
		}
		b.h.delivered = nil
		b.box = boxOf(b.T, 9)
		b.run(b.worker(), 3)
		for _, j := range b.h.delivered {
			if string(j.Payload) != link {
				b.Errorf("delivered %q", j.Payload)
			}
		}
	})
}

// A job that a worker has in its hands is resealed too, and ends as it would have.
func TestAJobUnderWayEndsWhileItIsResealed(t *testing.T) {
	t.Parallel()
	each(t, func(b bench) {
		b.enqueue(id.New[id.ID](b.db.Now()))
		b.h.deliver = func(ctx context.Context, _ Job) error {
			r, err := Reseal(ctx, b.db, boxOf(b.T, 9, 0))
			if r.Done != 1 {
				b.Errorf("%+v", r)
			}
			return err
		}
		b.run(b.worker(), 1)
		b.expect("done", 1)
	})
}
