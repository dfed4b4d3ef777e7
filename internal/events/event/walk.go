package event

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Walk reads all rows that a filter means, oldest first, in pages. It asks for a stretch of time
// after the other, each about as long as a page needs: so a page costs its rows, however many are
// still to come. A Walk belongs to one goroutine.
type Walk struct {
	filter Filter
	page   int
	behind Mark
	span   time.Duration
}

// firstSpan is how much time a walk asks for first, and widest how many times as much as before
// it asks for next.
const (
	firstSpan = time.Hour
	widest    = 8
)

// NewWalk begins a walk in pages of up to so many rows.
func NewWalk(f Filter, page int) *Walk {
	return &Walk{filter: f, page: page, behind: Mark{At: f.From}, span: firstSpan}
}

// Next gives the next page, which may be empty; more says that there may be others.
func (w *Walk) Next(ctx context.Context, tx *database.Tx) (rows []Row, more bool, err error) {
	f := w.filter
	if until := w.behind.At.Add(w.span); until.Before(f.To) {
		f.To = until
	}
	rows, err = Find(ctx, tx, f, w.behind, w.page, OldestFirst)
	if err != nil {
		return nil, false, err
	}
	from, last := w.behind.At, Mark{At: f.To, ID: afterAll}
	full := len(rows) == w.page
	if full {
		last = MarkOf(&rows[len(rows)-1])
	}
	next := widest * w.span
	if len(rows) > 0 {
		// Nine tenths, so that most pages are not full: then the stretch was read to its end.
		next = min(next, time.Duration(0.9*float64(last.At.Sub(from))*float64(w.page)/float64(len(rows))))
	}
	w.behind, w.span = last, min(max(next, time.Millisecond), w.filter.To.Sub(w.filter.From)+time.Millisecond)
	return rows, full || f.To.Before(w.filter.To), nil
}
