package feed

import (
	"context"
	"encoding/binary"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// looked is how many rows of an Account one look goes through: the half of them is in no feed.
const looked = 500

// OfAccount gives a page of the feed of an Account and all its Environments; validation for a
// cursor that is none of it, changes.cursor_expired.
func (s *Service) OfAccount(ctx context.Context, in scope.AccountID, q Query) (p Page, err error) {
	// What has been answered is in the feed: it gets its number before the view begins.
	if err := s.Seal.CatchUp(ctx, in); err != nil {
		return p, err
	}
	return database.Read(ctx, s.DB, func(tx *database.Tx) (p Page, err error) {
		asked := page.Ask("account changes", in.String())
		behind, err := numberOf(ctx, tx, in, asked, q)
		if err != nil {
			return p, err
		}
		if q.Cursor != "" || !q.Latest {
			if behind, err = p.gather(ctx, tx, in, behind, q.Limit); err != nil {
				return p, err
			}
		}
		p.Next = asked.Cursor(binary.BigEndian.AppendUint64(nil, behind))
		return p, nil
	})
}

// gather fills the page, and gives where it ends.
func (p *Page) gather(
	ctx context.Context, tx *database.Tx, in scope.AccountID, behind uint64, limit int,
) (end uint64, err error) {
	for {
		list, err := seal.Numbers(ctx, tx, in, behind, looked)
		if err != nil || len(list) == 0 {
			return behind, err
		}
		ids := make([]event.RowID, 0, len(list))
		for _, n := range list {
			ids = append(ids, n.Event)
		}
		rows, err := event.ByID(ctx, tx, ids)
		if err != nil {
			return behind, err
		}
		for _, n := range list {
			if r, is := rows[n.Event]; is && r.InFeed && r.Account == in {
				p.Rows = append(p.Rows, r)
			}
			if behind = n.Number; len(p.Rows) == limit {
				return behind, nil
			}
		}
		if len(p.Rows) > 0 && len(list) < looked {
			return behind, nil
		}
	}
}

func numberOf(
	ctx context.Context, tx *database.Tx, in scope.AccountID, asked page.Asked, q Query,
) (behind uint64, err error) {
	now, err := seal.Head(ctx, tx, in)
	if err != nil || q.Cursor == "" && q.Latest {
		return now, err
	}
	swept, err := event.Swept(ctx, tx, in, in.Any())
	if err != nil || q.Cursor == "" {
		return swept, err
	}
	raw, err := place(asked, q.Cursor, 8)
	if err != nil {
		return 0, err
	}
	if behind = binary.BigEndian.Uint64(raw); behind < swept || behind > now {
		return behind, ErrExpired
	}
	return behind, nil
}
