package audit

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// Listener takes what happens. Its calls come from one goroutine.
type Listener struct {
	After event.RowID // the last row that is known; zero: none before now is wanted
	Until time.Time   // when the token ends
	// Listening is nil while the listener may listen.
	Listening func(context.Context) error
	Row       func(*event.Row) error
	Beat      func() error // comes now and then, first when all is ready
}

// Ended says why a listener is told nothing more.
type Ended string

// The reasons.
const (
	TokenExpired Ended = "token_expired"
	SessionEnded Ended = "session_ended"
	Shutdown     Ended = "shutdown"
	TooSlow      Ended = "too_slow"
)

const (
	look      = time.Second // between two looks at the store, and at the listener's right
	beatEvery = 15          // looks
	mostOfOne = 5           // listeners of one user in this process
	kept      = 512         // rows for a listener that is behind
	looked    = 500         // rows that one look goes through at once
)

// Follow tells the rows of a query as they are committed, until ctx ends or the listener has to;
// window and cursor of the query don't count. It records that somebody began to follow.
// rate_limit.exceeded for a user who has five already. The errors of the listener are given as
// they are.
func (s *Service) Follow(ctx context.Context, in Reader, q Query, to Listener) (why Ended, err error) {
	leave, err := s.tails.enter(in.By.ID)
	if err != nil {
		return "", err
	}
	defer leave()
	q.From, q.To = nil, nil
	f, exists := in.Within(q.Filter)
	if err := s.asked(ctx, in, q); err != nil {
		return "", err
	}
	l, err := s.join(ctx, f, to.After)
	if err != nil {
		return "", err
	}
	defer s.tails.part(f.Account, l)
	if err := to.Beat(); err != nil {
		return "", err
	}
	if exists {
		if err := s.missed(ctx, l, to.Row); err != nil {
			return "", err
		}
	}
	return s.live(ctx, l, to)
}

// live hands over what comes.
func (s *Service) live(ctx context.Context, l *listener, to Listener) (Ended, error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for looks := 1; ; {
		select {
		case <-ctx.Done():
			return "", nil
		case <-s.tails.closed():
			return Shutdown, nil
		case r, more := <-l.rows:
			if !more {
				return TooSlow, nil
			}
			if err := to.Row(r); err != nil {
				return "", err
			}
		case <-tick.C:
			if !s.DB.Now().Before(to.Until) {
				return TokenExpired, nil
			}
			if err := to.Listening(ctx); fault.As(err) != nil && fault.As(err).Kind != fault.Unavailable {
				return SessionEnded, nil
			}
			if looks++; looks%beatEvery == 0 {
				if err := to.Beat(); err != nil {
					return "", err
				}
			}
		}
	}
}

// join adds a listener to those of an Account. What is committed now comes before it listens,
// and counts only behind the row that it knows.
func (s *Service) join(ctx context.Context, f event.Filter, after event.RowID) (*listener, error) {
	if err := s.Seal.CatchUp(ctx, f.Account); err != nil {
		return nil, err
	}
	l := &listener{filter: f, rows: make(chan *event.Row, kept)}
	err := database.View(ctx, s.DB, func(tx *database.Tx) (err error) {
		if l.after, err = seal.Head(ctx, tx, f.Account); err != nil || id.ID(after).IsZero() {
			return err
		}
		l.live = l.after
		known, err := seal.PlaceOf(ctx, tx, f.Account, after)
		if known > 0 {
			l.after = known
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	l.live = max(l.live, l.after)
	s.tails.join(ctx, s, l)
	return l, nil
}

// missed hands over what lies between the row that the listener knows and what comes live.
func (s *Service) missed(ctx context.Context, l *listener, tell func(*event.Row) error) error {
	for behind := l.after; behind < l.live; {
		list, err := s.behind(ctx, l.filter, behind)
		if err != nil || len(list) == 0 {
			return err
		}
		for i := range list {
			if behind = list[i].number; behind > l.live {
				break
			}
			if list[i].row != nil && l.filter.Matches(list[i].row) {
				if err := tell(list[i].row); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// numbered is a place in the Account's order, and the row if it is still there.
type numbered struct {
	number uint64
	row    *event.Row
}

func (s *Service) behind(ctx context.Context, f event.Filter, number uint64) (list []numbered, err error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]numbered, error) {
		places, err := seal.Numbers(ctx, tx, f.Account, number, looked)
		if err != nil {
			return nil, err
		}
		ids := make([]event.RowID, 0, len(places))
		for _, p := range places {
			ids = append(ids, p.Event)
		}
		rows, err := event.ByID(ctx, tx, ids)
		for _, p := range places {
			n := numbered{number: p.Number}
			if r, is := rows[p.Event]; is {
				n.row = &r
			}
			list = append(list, n)
		}
		return list, err
	})
}
