package seal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Service seals. It is safe for concurrent use, in as many processes as there are.
type Service struct {
	DB  *database.DB
	Log *slog.Logger
}

const (
	// every is how long a row waits at most before it is looked for.
	every = 3 * time.Second
	// batch is about how many rows one transaction seals, orders how many Accounts one look finds.
	batch, orders = 500, 200
)

// Run seals what has no number yet, again and again, until ctx ends.
func (s *Service) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		if err := s.All(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "rows of the audit log can't be sealed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// All seals all rows that have no number yet.
func (s *Service) All(ctx context.Context) error {
	for {
		waiting, err := database.Ask(ctx, s.DB, func(tx *database.Tx) ([]string, error) {
			return event.Waiting(ctx, tx, orders)
		})
		if err != nil || len(waiting) == 0 {
			return err
		}
		for _, in := range waiting {
			if err := s.catchUp(ctx, in); err != nil {
				return err
			}
		}
	}
}

// CatchUp gives numbers to all rows of the Account that have been committed.
func (s *Service) CatchUp(ctx context.Context, account scope.AccountID) error {
	return s.catchUp(ctx, event.SealedIn(account))
}

func (s *Service) catchUp(ctx context.Context, in string) error {
	for {
		none, err := database.Ask(ctx, s.DB, func(tx *database.Tx) (bool, error) {
			list, err := event.FirstUnsealed(ctx, tx, in, 1)
			return len(list) == 0, err
		})
		if err != nil || none {
			return err
		}
		_, err = database.Write(ctx, s.DB, func(tx *database.Tx) (struct{}, error) {
			return struct{}{}, sealSome(ctx, tx, in)
		})
		if err != nil {
			return err
		}
	}
}

// entry is a place in an Account's order.
type entry struct {
	in          string
	number      uint64
	event       event.RowID
	application scope.ApplicationID
	at          time.Time
	key         string // "" once it was forgotten
	content     string
	hash        string
}

// sealSome gives the next numbers. Whoever else would waits for the head.
func sealSome(ctx context.Context, tx *database.Tx, in string) error {
	number, before, err := lockHead(ctx, tx, in)
	if err != nil {
		return err
	}
	rows, err := event.FirstUnsealed(ctx, tx, in, batch)
	if err != nil || len(rows) == 0 {
		return err
	}
	ids := make([]event.RowID, 0, len(rows))
	for _, u := range rows {
		ids = append(ids, u.Event)
	}
	contents, err := event.ByID(ctx, tx, ids)
	if err != nil {
		return err
	}
	entries := make([]entry, 0, len(rows))
	for _, u := range rows {
		number++
		e := entry{in: in, number: number, event: u.Event, at: tx.Now, content: gone(u.Event)}
		if r, is := contents[u.Event]; is {
			e.application, e.at, e.key = r.Application, r.CreatedAt, secret.NewToken().Reveal()
			e.content = contentOf(&r, e.key)
		}
		e.hash = hashOf(before, &e)
		before = e.hash
		entries = append(entries, e)
	}
	if err := forget(ctx, tx, in, ids); err != nil {
		return err
	}
	if err := insert(ctx, tx, entries); err != nil {
		return err
	}
	if err := event.Index(ctx, tx, contents); err != nil {
		return err
	}
	if err := event.Sealed(ctx, tx, in, rows); err != nil {
		return err
	}
	_, err = tx.Exec(ctx, setHead, number, before, in)
	return err
}

// lockHead gives where the order ends, and keeps others from going on.
func lockHead(ctx context.Context, tx *database.Tx, in string) (number uint64, hash string, err error) {
	for range 2 {
		err = tx.QueryRow(ctx, lockingHead, in).Scan(&number, &hash)
		if !errors.Is(err, database.ErrNoRows) {
			return number, hash, err
		}
		if _, err = tx.Exec(ctx, insertHead, in); err != nil {
			return 0, "", err
		}
	}
	return number, hash, err
}
