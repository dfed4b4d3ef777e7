package export

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

// atATime is how many pieces one transaction writes.
const atATime = 4

// file is a file while it is made.
type file struct {
	*Worker
	*claim
	buf    bytes.Buffer // what is not written yet
	rows   int64
	size   int64
	number int // of the next piece
}

// work makes the file of a job, from its beginning.
func (w *Worker) work(ctx context.Context, c *claim) error {
	if err := w.clear(ctx, c); err != nil {
		return err
	}
	f := &file{Worker: w, claim: c}
	to := newWriter(c.format, &f.buf)
	if err := to.begin(); err != nil {
		return err
	}
	reading, stop := context.WithCancel(ctx)
	pages := make(chan page)
	var reader sync.WaitGroup
	defer reader.Wait()
	defer stop()
	reader.Go(func() { task.Try(reading, w.log, "rows of an audit export", func() { w.read(reading, c, pages) }) })
	for last := c.order.Nothing; !last; {
		p, is := <-pages
		if !is || p.err != nil {
			return cmp.Or(p.err, errUnread)
		}
		last = p.last
		if f.rows += int64(len(p.rows)); f.rows > w.most {
			stop()
			return w.fail(ctx, c, fmt.Sprintf(tooManyRows, w.most))
		}
		if err := f.add(ctx, to, p.rows); err != nil {
			return err
		}
	}
	return f.complete(ctx)
}

// page is a page of rows, or why there is none.
type page struct {
	rows []event.Row
	last bool
	err  error
}

// errUnread is for rows of which the reading has ended before their end.
var errUnread = errors.New("export: rows were not read to their end")

// read reads the rows of a job, a page while the one before is written.
func (w *Worker) read(ctx context.Context, c *claim, to chan<- page) {
	defer close(to)
	if c.order.Nothing {
		return
	}
	walk := event.NewWalk(c.order.Filter, w.page)
	for more := true; more; {
		// A search may look at very many rows before it finds one.
		rows, err := database.Read(database.Long(ctx), w.db, func(tx *database.Tx) (rows []event.Row, err error) {
			rows, more, err = walk.Next(ctx, tx)
			return rows, err
		})
		select {
		case to <- page{rows, !more, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// add writes rows.
func (f *file) add(ctx context.Context, to writer, rows []event.Row) error {
	for i := range rows {
		if err := to.row(&rows[i]); err != nil {
			return err
		}
		if f.buf.Len() >= atATime*f.piece {
			if err := f.flush(ctx, atATime); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush writes some pieces.
func (f *file) flush(ctx context.Context, pieces int) error {
	return f.put(ctx, f.buf.Bytes()[:pieces*f.piece], func(*database.Tx) error { return nil })
}

// put writes what the buffer begins with, and what else fn does.
func (f *file) put(ctx context.Context, data []byte, fn func(*database.Tx) error) error {
	next := f.number
	err := f.write(ctx, f.claim, func(tx *database.Tx) error {
		next = f.number
		for piece := range slices.Chunk(data, f.piece) {
			if _, err := tx.Exec(ctx, insertPiece, f.id, next, f.account, piece); err != nil {
				return err
			}
			next++
		}
		return fn(tx)
	})
	if err != nil {
		return err
	}
	f.buf.Next(len(data))
	f.number, f.size = next, f.size+int64(len(data))
	if f.wrote != nil {
		f.wrote(f.number)
	}
	return nil
}

// complete writes the rest, and that the file is there.
func (f *file) complete(ctx context.Context) error {
	rest := f.buf.Bytes()
	size := f.size + int64(len(rest))
	return f.put(ctx, rest, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, completeJob, f.rows, size, tx.Now, tx.Now.Add(Kept), f.account, f.id, f.token)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, Executed, f.entry, ExecutedPayload{f.payload, f.rows})
	})
}

// clear removes what an earlier try has left.
func (w *Worker) clear(ctx context.Context, c *claim) error {
	for left := true; left; {
		err := w.write(ctx, c, func(tx *database.Tx) (err error) {
			left, err = dropPieces(ctx, tx, c.key)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// fail ends a job without a file. What there is of one is swept.
func (w *Worker) fail(ctx context.Context, c *claim, why string) error {
	if err := w.clear(ctx, c); err != nil {
		return err
	}
	return w.write(ctx, c, func(tx *database.Tx) error {
		if _, err := tx.Exec(ctx, failJob, why, tx.Now.Add(Kept), c.account, c.id, c.token); err != nil {
			return err
		}
		return event.Record(ctx, tx, Failure, c.entry, FailedPayload{c.payload, why})
	})
}
