package feed

import (
	"context"
	"encoding/binary"
	"errors"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// ErrExpired is for a cursor behind which rows have been removed, or of a store that has been
// restored to an earlier state: what was missed can't be told.
var ErrExpired = fault.New(fault.Gone, "changes.cursor_expired",
	"Changes behind this cursor are no longer kept; copy everything anew, then read on from start=latest")

// Service reads feeds. It is safe for concurrent use.
type Service struct {
	DB   *database.DB
	Seal *seal.Service // gives an Account's rows their numbers
}

// Query asks for a page.
type Query struct {
	Cursor string // of the page before; "" for the oldest row that is kept
	Latest bool   // without a cursor: for none, and the cursor of now
	Limit  int
}

// Page is a page of a feed, oldest first, and the cursor of the next, which there is always.
type Page struct {
	Rows []event.Row
	Next string
}

// OfEnvironment gives a page of an Environment's feed; validation for a cursor that is none of
// it, changes.cursor_expired.
func (s *Service) OfEnvironment(ctx context.Context, in scope.Environment, q Query) (Page, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) (p Page, err error) {
		asked := page.Ask("changes", in.ID.String())
		at, err := revision.Now(ctx, tx, in)
		if errors.Is(err, database.ErrNoRows) {
			return p, nil // deleted meanwhile
		}
		if err != nil {
			return p, err
		}
		scope.Note(ctx, at.Revision)
		behind, err := placeOf(ctx, tx, in, asked, q, at.Revision)
		if err != nil {
			return p, err
		}
		if q.Cursor != "" || !q.Latest {
			if p.Rows, err = event.InFeed(ctx, tx, in, behind, q.Limit); err != nil {
				return p, err
			}
		}
		if n := len(p.Rows); n > 0 {
			behind = event.Place{Revision: p.Rows[n-1].Revision, Ordinal: uint32(p.Rows[n-1].Ordinal)} //nolint:gosec // few
		}
		p.Next = asked.Cursor(bytesOf(behind))
		return p, nil
	})
}

func placeOf(
	ctx context.Context, tx *database.Tx, in scope.Environment, asked page.Asked, q Query, now uint64,
) (behind event.Place, err error) {
	if q.Cursor == "" && q.Latest {
		return event.BehindRevision(now), nil
	}
	swept, err := event.Swept(ctx, tx, in.Application.Account.ID, in.ID.Any())
	if err != nil || q.Cursor == "" {
		return event.BehindRevision(swept), err
	}
	raw, err := place(asked, q.Cursor, 12)
	if err != nil {
		return behind, err
	}
	behind = event.Place{Revision: binary.BigEndian.Uint64(raw), Ordinal: binary.BigEndian.Uint32(raw[8:])}
	if behind.Revision < swept || behind.Revision > now {
		return behind, ErrExpired
	}
	return behind, nil
}

func place(asked page.Asked, cursor string, length int) ([]byte, error) {
	raw, is := asked.Place(cursor)
	if !is || len(raw) != length {
		return nil, fault.Validation.WithDetails("cursor must be the next_cursor of an answer of the same feed")
	}
	return raw, nil
}

func bytesOf(p event.Place) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(nil, p.Revision), p.Ordinal)
}
