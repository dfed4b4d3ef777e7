package audit

import (
	"context"
	"sync"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
)

// tails are the Accounts that somebody follows in this process: one reader for each looks at
// the store, and hands to every listener what it wants.
type tails struct {
	mu    sync.Mutex
	of    map[scope.AccountID]*tail
	users map[id.ID]int
	end   chan struct{}
	over  bool
}

// tail is an Account that is followed.
type tail struct {
	position  uint64 // of the last row that was read
	listeners map[*listener]bool
	stop      context.CancelFunc
	stopped   chan struct{}
}

// listener is somebody who follows.
type listener struct {
	filter event.Filter
	after  uint64          // the number of the row that is known
	live   uint64          // the number behind which rows come to it
	rows   chan *event.Row // closed where too many wait
}

// enter counts a listener of a user.
func (t *tails) enter(user id.ID) (leave func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.users[user] >= mostOfOne {
		return nil, fault.RateLimited.WithQuota(fault.Quota{Limit: mostOfOne, Reset: beatEvery * look})
	}
	if t.users == nil {
		t.users = map[id.ID]int{}
	}
	t.users[user]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.users[user]--; t.users[user] == 0 {
			delete(t.users, user)
		}
	}, nil
}

// closed is closed once nobody is to be told anything more.
func (t *tails) closed() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ending()
}

func (t *tails) ending() chan struct{} {
	if t.end == nil {
		t.end = make(chan struct{})
	}
	return t.end
}

// Close ends all streams, and those that begin later.
func (s *Service) Close() {
	s.tails.mu.Lock()
	defer s.tails.mu.Unlock()
	if !s.tails.over {
		s.tails.over = true
		close(s.tails.ending())
	}
}

// join has the Account's reader tell the listener, from where that reader stands.
func (t *tails) join(ctx context.Context, s *Service, l *listener) {
	t.mu.Lock()
	defer t.mu.Unlock()
	in := l.filter.Account
	if t.of == nil {
		t.of = map[scope.AccountID]*tail{}
	}
	one := t.of[in]
	if one == nil {
		ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
		one = &tail{position: l.live, listeners: map[*listener]bool{}, stop: stop, stopped: make(chan struct{})}
		t.of[in] = one
		go task.Try(ctx, s.Log, "live tail of the audit log", func() {
			defer close(one.stopped)
			task.Keep(ctx, s.Log, "live tail of the audit log", func(ctx context.Context) { s.read(ctx, in, one) })
		})
	}
	l.live = max(l.live, one.position)
	one.listeners[l] = true
}

// part removes a listener; with the last one its Account's reader ends.
func (t *tails) part(in scope.AccountID, l *listener) {
	t.mu.Lock()
	one := t.of[in]
	delete(one.listeners, l)
	last := len(one.listeners) == 0
	if last {
		delete(t.of, in)
	}
	t.mu.Unlock()
	if last {
		one.stop()
		<-one.stopped
	}
}

// read looks for what has been committed, again and again, until ctx ends.
func (s *Service) read(ctx context.Context, in scope.AccountID, one *tail) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.next(ctx, in, one); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "the audit log can't be followed", "error", err)
		}
	}
}

// next hands over what has been committed since the last look.
func (s *Service) next(ctx context.Context, in scope.AccountID, one *tail) error {
	if err := s.Seal.CatchUp(ctx, in); err != nil {
		return err
	}
	for {
		list, err := s.behind(ctx, event.Filter{Account: in}, one.position)
		if err != nil || len(list) == 0 {
			return err
		}
		s.tails.tell(one, list)
	}
}

// tell hands rows to those who want them. Nobody is waited for: who has too many waiting gets
// no more.
func (t *tails) tell(one *tail, list []numbered) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range list {
		one.position = n.number
		for l, listens := range one.listeners {
			if !listens || n.row == nil || n.number <= l.live || !l.filter.Matches(n.row) {
				continue
			}
			select {
			case l.rows <- n.row:
			default:
				one.listeners[l] = false
				close(l.rows)
			}
		}
	}
}
