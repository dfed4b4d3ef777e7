package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Service reads the log. It is safe for concurrent use.
type Service struct {
	DB   *database.DB
	Seal *seal.Service // gives an Account's rows their numbers, for those who follow
	Log  *slog.Logger

	tails tails
}

// Door is where a reader comes from.
type Door string

// The doors.
const (
	API    Door = "api"
	Portal Door = "portal"
)

// Reader is who reads, and what exists for them.
type Reader struct {
	By          principal.Actor
	Through     Door
	On          event.Surfaces
	Account     scope.AccountID
	Environment scope.Environment // zero: all of the Account
}

// Query asks for a page.
type Query struct {
	event.Filter            // without Account, On, From and To
	From         *time.Time // inclusive, to the millisecond; nil: 30 days before To
	To           *time.Time // inclusive, to the millisecond; nil: now
	Cursor       string     // of the page before, with the same question
	Limit        int
}

// usualWindow is how far a query looks back that does not say.
const usualWindow = 30 * 24 * time.Hour

// Page is a page of the log, newest first, and the cursor of the next; "" where there is none.
type Page struct {
	Rows []event.Row
	Next string
}

// List gives a page, and records that it was asked for. Its cursor keeps the window, also where
// the query gave none. validation for a window that ends before it begins, and for a cursor of
// another question.
func (s *Service) List(ctx context.Context, in Reader, q Query) (p Page, err error) {
	if q.From != nil && q.To != nil && q.From.After(*q.To) {
		return p, ErrWindow
	}
	p, err = database.Read(ctx, s.DB, func(tx *database.Tx) (Page, error) { return s.page(ctx, tx, in, q) })
	if err != nil {
		return p, err
	}
	return p, s.asked(ctx, in, q)
}

// ErrWindow is for a window that ends before it begins.
var ErrWindow = fault.Validation.WithDetails("from must not be after to")

// asked records a query.
func (s *Service) asked(ctx context.Context, in Reader, q Query) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		return event.Record(ctx, tx, QueryExecuted, in.Entry(), QueryExecutedPayload{in.Through, q.Stated()})
	})
}

// Entry begins what is recorded of the reader.
func (in *Reader) Entry() event.Entry {
	e := event.Entry{Actor: in.By, Account: in.Account}
	if !in.Environment.ID.IsZero() {
		e.Application, e.Environment = in.Environment.Application.ID, in.Environment.ID
	}
	return e
}

func (s *Service) page(ctx context.Context, tx *database.Tx, in Reader, q Query) (p Page, err error) {
	if err := in.Note(ctx, tx); err != nil {
		return p, err
	}
	question, err := in.question(q)
	if err != nil {
		return p, err
	}
	var behind event.Mark
	if q.Cursor == "" {
		q.Filter.From, q.Filter.To = q.Window(tx.Now)
	} else if q.Filter.From, q.Filter.To, behind, err = placeOf(question, q.Cursor); err != nil {
		return p, err
	}
	if q.Filter.From.After(q.Filter.To) {
		return p, ErrWindow
	}
	f, exists := in.Within(q.Filter)
	if !exists {
		p.Rows = []event.Row{}
		return p, nil
	}
	p.Rows, err = event.Find(ctx, tx, f, behind, q.Limit+1, event.NewestFirst)
	if len(p.Rows) > q.Limit {
		p.Rows = p.Rows[:q.Limit]
		last := event.MarkOf(&p.Rows[q.Limit-1])
		p.Next = question.Cursor(bytesOf(f.From, f.To, last))
	}
	return p, err
}

// Note tells the revision of a reader's Environment to who answers the reader.
func (in *Reader) Note(ctx context.Context, tx *database.Tx) error {
	if in.Environment.ID.IsZero() {
		return nil
	}
	at, err := revision.Now(ctx, tx, in.Environment)
	if errors.Is(err, database.ErrNoRows) {
		return nil // deleted meanwhile
	}
	scope.Note(ctx, at.Revision)
	return err
}

// Window is the one that a query means, asked at an instant: its ends are inclusive.
func (q *Query) Window(now time.Time) (from, to time.Time) {
	to = now
	if q.To != nil {
		to = q.To.Add(time.Millisecond - time.Microsecond) // rows have microseconds
	}
	if q.From != nil {
		return *q.From, to
	}
	return to.Add(-usualWindow), to
}

// Within is a filter inside what exists for the reader; false where that is nothing.
func (in *Reader) Within(f event.Filter) (event.Filter, bool) {
	f.Account, f.On = in.Account, in.On
	if here := in.Environment; !here.ID.IsZero() {
		if !f.Environment.IsZero() && f.Environment != here.ID ||
			!f.Application.IsZero() && f.Application != here.Application.ID {
			return f, false
		}
		f.Environment, f.Application = here.ID, scope.ApplicationID{}
	}
	return f, true
}

// question is what a cursor is good for.
func (in *Reader) question(q Query) (page.Asked, error) {
	stated, err := json.Marshal(q.Stated(), json.Deterministic(true))
	return page.Ask("audit log", string(in.Through), in.Account.String(), in.Environment.ID.String(),
		string(rune('0'+in.On)), string(stated), q.Q), err
}

// sizeOfPlace is that of the window's ends, and of an instant and an id.
const sizeOfPlace = 3*8 + 16

func bytesOf(from, to time.Time, at event.Mark) []byte {
	var b []byte
	for _, t := range []time.Time{from, to, at.At} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.UnixMicro()))
	}
	return append(b, at.ID[:]...)
}

func placeOf(question page.Asked, cursor string) (from, to time.Time, at event.Mark, err error) {
	raw, is := question.Place(cursor)
	if !is || len(raw) != sizeOfPlace {
		return from, to, at, fault.Validation.WithDetails("cursor must be the next_cursor of an answer to the same question")
	}
	instant := func(n int) time.Time {
		return time.UnixMicro(int64(binary.BigEndian.Uint64(raw[8*n:]))).UTC() //nolint:gosec // as it was
	}
	at.At = instant(2)
	copy(at.ID[:], raw[24:])
	return instant(0), instant(1), at, nil
}
