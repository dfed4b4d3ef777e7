package webhook

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/outbound"
)

const (
	// inFlight is how many requests a subscription has at once. The first of them is its own,
	// the others come of what all share.
	inFlight = 10
	// sharedSlots is how many requests all subscriptions have at once beside those.
	sharedSlots = 256
	// mostLanes is how many subscriptions a process serves at once.
	mostLanes = 1000
	// look is how often a process looks for what others have queued, or what is due again.
	look = 500 * time.Millisecond
	// renew is how often a turn is renewed, which lasts 30 seconds.
	renew = 10 * time.Second
	// fetched is how many deliveries are read at once, and fresh for how long what was read
	// of the subscription is good.
	fetched = 50
	fresh   = 250 * time.Millisecond
	// grace is for how long requests in flight go on when the process is stopped.
	grace = 3 * time.Second
	// settleFor is the time for writing what came of them.
	settleFor = 15 * time.Second
)

// SenderConfig is what a Sender is made of.
type SenderConfig struct {
	DB  *database.DB
	Box *secret.Box
	Out *outbound.Client
	Log *slog.Logger
	// SwitchedOff tells the people of an Account that a subscription has been failing for long,
	// in the transaction that switches it off; nil tells nobody.
	SwitchedOff func(ctx context.Context, tx *database.Tx, s delivery.Subscription) error
}

// Sender sends what is queued, in any number of processes at once. Make one with NewSender.
type Sender struct {
	SenderConfig

	owner id.ID // of the turns that this process has
	wake  chan struct{}
	slots chan struct{} // the shared ones

	mu    sync.Mutex
	lanes map[delivery.WebhookID]bool
}

// NewSender makes a sender; it does nothing before Run or RunDue.
func NewSender(c SenderConfig) *Sender {
	s := &Sender{
		SenderConfig: c, wake: make(chan struct{}, 1), slots: make(chan struct{}, sharedSlots),
		lanes: map[delivery.WebhookID]bool{},
	}
	if c.DB != nil {
		s.owner = id.New[id.ID](c.DB.Now())
	}
	return s
}

// Committed wakes the sender where a transaction has queued something. It does not block.
func (s *Sender) Committed(tx *database.Tx) {
	if delivery.Queued(tx) {
		s.rouse()
	}
}

func (s *Sender) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, and then waits for what is in flight, which gets a few seconds.
func (s *Sender) Run(ctx context.Context) {
	working, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	tick := time.NewTicker(look)
	defer tick.Stop()
	var lanes sync.WaitGroup
	failing := false
	for ctx.Err() == nil {
		due, err := s.due(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "deliveries of webhooks can't be read", "error", err)
		}
		failing = err != nil
		for _, d := range due {
			if s.enter(d.Webhook) {
				lanes.Go(func() { task.Try(working, s.Log, "webhook", func() { s.serve(ctx, working, d) }) })
			}
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		case <-tick.C:
		}
	}
	defer time.AfterFunc(grace, cut).Stop()
	lanes.Wait()
}

func (s *Sender) due(ctx context.Context) ([]delivery.Due, error) {
	return database.Ask(ctx, s.DB, func(tx *database.Tx) ([]delivery.Due, error) {
		return delivery.AllDue(ctx, tx)
	})
}

func (s *Sender) enter(of delivery.WebhookID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes[of] || len(s.lanes) >= mostLanes {
		return false
	}
	s.lanes[of] = true
	return true
}

func (s *Sender) leave(of delivery.WebhookID) {
	s.mu.Lock()
	delete(s.lanes, of)
	s.mu.Unlock()
}

// RunDue sends all that is due now, one subscription after the other, and tells how many
// attempts that were. Those that fail are no error.
func (s *Sender) RunDue(ctx context.Context) (attempts int, err error) {
	for {
		due, err := s.due(ctx)
		if err != nil || len(due) == 0 {
			return attempts, err
		}
		before := attempts
		for _, d := range due {
			l := &lane{Sender: s, due: d}
			if err := l.run(ctx, ctx); err != nil {
				return attempts, err
			}
			attempts += l.attempts
			if l.attempts > 0 || l.dropped {
				before = -1
			}
		}
		if before >= 0 {
			return attempts, nil // others have the turns
		}
	}
}

// serve sends what is due to one subscription, and is done when nothing is.
func (s *Sender) serve(ctx, working context.Context, d delivery.Due) {
	l := &lane{Sender: s, due: d}
	defer func() {
		s.leave(d.Webhook)
		if l.attempts > 0 {
			s.rouse() // something may have been queued since it looked last
		}
	}()
	if err := l.run(ctx, working); err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "deliveries of a webhook can't be settled", "webhook", d.Webhook.String(), "error", err)
	}
}

// take takes the turn of a subscription, or renews it.
func (s *Sender) take(ctx context.Context, d delivery.Due) (bool, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (bool, error) {
		return delivery.Take(ctx, tx, d, s.owner)
	})
}

func (s *Sender) give(ctx context.Context, d delivery.Due) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleFor)
	defer cancel()
	return database.Do(ctx, s.DB, func(tx *database.Tx) error { return delivery.Give(ctx, tx, d, s.owner) })
}

// errGone is for a subscription that has been deleted.
var errGone = errors.New("webhook: the subscription is gone")
