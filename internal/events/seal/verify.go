package seal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Finding is what somebody has done behind the server's back.
type Finding struct {
	Account scope.AccountID // zero for rows without one
	Number  uint64          // of the entry; 0 for a row without one
	Event   event.RowID
	What    string
}

// String is a line for people.
func (f Finding) String() string {
	return fmt.Sprintf("account %s, number %d, row %s: %s", f.Account, f.Number, f.Event, f.What)
}

// Verified is what was looked at, and where the order ends: the hash covers all of it, and
// whoever has noted it can tell later that nothing before was exchanged.
type Verified struct {
	Account scope.AccountID
	Entries uint64
	Hash    string
}

// Orders are the Accounts that have sealed rows, the zero one for rows without an Account.
func (s *Service) Orders(ctx context.Context) ([]scope.AccountID, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]scope.AccountID, error) {
		return database.All(ctx, tx, func(row database.Scanner) (of scope.AccountID, err error) {
			var in string
			if err := row.Scan(&in); err != nil {
				return of, err
			}
			return event.OrderOf(in)
		}, selectOrders)
	})
}

// Verify goes through an Account's order, in one view of the store, and tells what does not
// agree with it: a row that was changed, removed or put elsewhere, an entry that was, and a row
// that would not be found as it should. Rows that were added VerifyRows finds.
// Rows that an erasure has rewritten, that went with their Application or were swept for their
// age are in order where the row that stands for that is there.
func (s *Service) Verify(ctx context.Context, account scope.AccountID, found func(Finding)) (v Verified, err error) {
	return database.Read(database.Long(ctx), s.DB, func(tx *database.Tx) (Verified, error) {
		c := &check{
			tx: tx, account: account, in: event.SealedIn(account), found: found,
			deleted: map[scope.ApplicationID]bool{},
		}
		err := c.all(ctx)
		return Verified{account, c.number, c.hash}, err
	})
}

// check goes through one order.
type check struct {
	tx      *database.Tx
	account scope.AccountID
	in      string
	found   func(Finding)

	number  uint64 // of the last entry
	hash    string
	deleted map[scope.ApplicationID]bool // Applications, as far as they were looked for
	swept   *time.Time                   // up to when rows were swept
	filing  event.Filing
}

func (c *check) says(e *entry, what string) {
	c.found(Finding{c.account, e.number, e.event, what})
}

func (c *check) all(ctx context.Context) error {
	for {
		entries, err := database.All(ctx, c.tx, scanEntry, selectEntries, c.in, c.number, batch)
		if err != nil {
			return err
		}
		if len(entries) == 0 {
			break
		}
		if err := c.some(ctx, entries); err != nil {
			return err
		}
	}
	number, hash, err := headOf(ctx, c.tx, c.in)
	if err != nil {
		return err
	}
	if number != c.number || hash != c.hash {
		c.found(Finding{c.account, number, event.RowID{}, "the last entries were removed, or others added behind them"})
	}
	return nil
}

// some checks entries that follow one another.
func (c *check) some(ctx context.Context, entries []entry) error {
	ids := make([]event.RowID, 0, len(entries))
	for i := range entries {
		ids = append(ids, entries[i].event)
	}
	rows, err := event.ByID(ctx, c.tx, ids)
	if err != nil {
		return err
	}
	for i := range entries {
		e := &entries[i]
		e.in = c.in
		if e.number != c.number+1 {
			c.says(e, fmt.Sprintf("entries %d to %d were removed", c.number+1, e.number-1))
		}
		if hashOf(c.hash, e) != e.hash {
			c.says(e, "the entry was changed, or does not follow the one before")
		}
		c.number, c.hash = e.number, e.hash
		if err := c.row(ctx, e, rows); err != nil {
			return err
		}
	}
	return c.filed(ctx, entries, rows)
}

// filed holds what rows are found by to them.
func (c *check) filed(ctx context.Context, entries []entry, rows map[event.RowID]event.Row) error {
	maps.DeleteFunc(rows, func(_ event.RowID, r event.Row) bool { return event.SealedIn(r.Account) != c.in })
	wrong, err := c.filing.Misfiled(ctx, c.tx, c.account, rows)
	if err != nil || len(wrong) == 0 {
		return err
	}
	waiting, err := event.AreUnsealed(ctx, c.tx, c.in, wrong)
	if err != nil {
		return err
	}
	for i := range entries {
		if e := &entries[i]; slices.Contains(wrong, e.event) && !waiting[e.event] {
			c.says(e, "the row is not found by what it holds")
		}
	}
	return nil
}

// row holds the row of an entry to it.
func (c *check) row(ctx context.Context, e *entry, rows map[event.RowID]event.Row) error {
	r, is := rows[e.event]
	first, last, err := c.placesOf(ctx, e.event)
	switch {
	case err != nil || e.number < last: // a later entry counts
		return err
	case !is:
		return c.missing(ctx, e)
	case event.SealedIn(r.Account) != c.in:
		c.says(e, "the row was put into another Account")
	case contentOf(&r, e.key) != e.content:
		return c.changed(ctx, e)
	case first < last:
		return c.erased(ctx, e, &r)
	}
	return nil
}

// changed tells of a changed row, but for one that was erased just now and waits for its new entry.
func (c *check) changed(ctx context.Context, e *entry) error {
	waiting, err := event.AreUnsealed(ctx, c.tx, c.in, []event.RowID{e.event})
	if err == nil && !waiting[e.event] {
		c.says(e, "the row was changed")
	}
	return err
}

// missing asks for what stands for a row that is gone.
func (c *check) missing(ctx context.Context, e *entry) error {
	if e.content == gone(e.event) {
		return nil
	}
	if !e.application.IsZero() {
		stands, known := c.deleted[e.application]
		if !known {
			var err error
			stands, err = event.Stands(ctx, c.tx, c.account, "application.deleted", e.application.Any())
			if err != nil {
				return err
			}
			c.deleted[e.application] = stands
		}
		if stands {
			return nil
		}
	}
	if c.swept == nil {
		before, err := event.SweptBefore(ctx, c.tx, c.account)
		if err != nil {
			return err
		}
		c.swept = &before
	}
	if !e.at.Before(*c.swept) {
		c.says(e, "the row was removed")
	}
	return nil
}

// erased asks for the erasure for which a row has another entry.
func (c *check) erased(ctx context.Context, e *entry, r *event.Row) error {
	if r.ActorLabel != event.Erased && r.ResourceLabel != event.Erased {
		c.says(e, "the row was changed and sealed anew, and nobody is erased in it")
		return nil
	}
	if r.ResourceType == "identity_invite" {
		return nil // of an address that was erased; the person's id is not in it
	}
	if r.ResourceLabel == event.Erased {
		return c.standsFor(ctx, e, r.ResourceID)
	}
	return c.standsFor(ctx, e, r.ActorID)
}

func (c *check) standsFor(ctx context.Context, e *entry, erased id.ID) error {
	stands, err := event.Stands(ctx, c.tx, c.account, "identity.erased", erased)
	if err == nil && !stands {
		c.says(e, "the row names somebody as erased whom nobody has erased")
	}
	return err
}

// VerifyRows looks for rows that are in nobody's order and wait for no place there: of an Account,
// or of all.
func (s *Service) VerifyRows(ctx context.Context, account *scope.AccountID, found func(Finding)) error {
	_, err := database.Read(database.Long(ctx), s.DB, func(tx *database.Tx) (struct{}, error) {
		var behind event.RowID
		for {
			ids, of, err := event.IDs(ctx, tx, behind, batch)
			if err != nil || len(ids) == 0 {
				return struct{}{}, err
			}
			behind = ids[len(ids)-1]
			rows := map[scope.AccountID][]event.RowID{}
			for i, in := range of {
				if account == nil || *account == in {
					rows[in] = append(rows[in], ids[i])
				}
			}
			for in, ids := range rows {
				if err := added(ctx, tx, in, ids, found); err != nil {
					return struct{}{}, err
				}
			}
		}
	})
	return err
}

// added tells which rows of an Account have no entry and wait for none.
func added(
	ctx context.Context, tx *database.Tx, account scope.AccountID, ids []event.RowID, found func(Finding),
) error {
	in := event.SealedIn(account)
	without, err := withoutEntry(ctx, tx, in, ids)
	if err != nil || len(without) == 0 {
		return err
	}
	waiting, err := event.AreUnsealed(ctx, tx, in, without)
	if err != nil {
		return err
	}
	for _, of := range without {
		if !waiting[of] {
			found(Finding{account, 0, of, "the row was added, or put here from another Account"})
		}
	}
	return nil
}
