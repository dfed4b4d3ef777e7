package revision

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

// Prover tells where Environments and Accounts stand, by one read for all who ask at a
// moment: at most one runs, and who comes meanwhile shares the next, which begins after the
// question came in. So the proof that what is held in memory is current costs the store the
// same however many ask.
//
//	asked ──► next round ──the one before has ended──► one read ──► all who asked
//
// Who has said that an older proof will do (scope.Leeway) gets the last one where none can be
// had now. A Prover may be used by many at once.
type Prover struct {
	DB  *database.DB
	Log *slog.Logger // nil: the default one

	mu     sync.Mutex
	next   *round // nobody reads it yet
	runs   bool   // a goroutine reads rounds
	recent map[id.ID]proven
	reads  atomic.Uint64
}

// round is one read for those who wait for it.
type round struct {
	of   map[id.ID]scope.AccountID
	done chan struct{} // closed when at and err are there
	at   map[id.ID]At
	err  error
}

// proven is where a scope stood when a read of it began.
type proven struct {
	at      At
	when    time.Time
	account scope.AccountID
}

const (
	// proofTime is how long one read may take.
	proofTime = time.Second
	// leewayTime is how long somebody waits for it whom an older proof will do.
	leewayTime = 250 * time.Millisecond
	// mostRecent is how many proofs are remembered for those.
	mostRecent = 100_000
)

// Reads is how many reads of revisions there have been.
func (p *Prover) Reads() uint64 { return p.reads.Load() }

// At is where an Environment stands, read after At was called; database.ErrNoRows where
// there is none.
func (p *Prover) At(ctx context.Context, in scope.Environment) (At, error) {
	return p.prove(ctx, in.ID.Any(), in.Application.Account.ID)
}

// AtAccount is At for an Account, once a call (Admit).
func (p *Prover) AtAccount(ctx context.Context, in scope.AccountID) (At, error) {
	if at, is := admitted(ctx, in); is {
		return at, nil
	}
	at, err := p.prove(ctx, in.Any(), in)
	if err == nil {
		remember(ctx, in, at)
	}
	return at, err
}

func (p *Prover) prove(ctx context.Context, of id.ID, account scope.AccountID) (At, error) {
	leeway := scope.LeewayOf(ctx)
	r := p.join(ctx, of, account)
	at, err := r.wait(ctx, of, leeway > 0)
	if err == nil || leeway == 0 || errors.Is(err, database.ErrNoRows) {
		return at, err
	}
	if last, age := p.last(of, account); age >= 0 && age <= leeway {
		scope.NoteAge(ctx, age)
		return last, nil
	}
	return at, err
}

// wait waits for the round, not for long where patience is of no use.
func (r *round) wait(ctx context.Context, of id.ID, briefly bool) (At, error) {
	var late <-chan time.Time
	if briefly {
		timer := time.NewTimer(leewayTime)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-r.done:
	case <-late:
		return At{}, fmt.Errorf("%w: no proof in %v", database.ErrSlow, leewayTime)
	case <-ctx.Done():
		return At{}, ctx.Err()
	}
	at, is := r.at[of]
	if r.err == nil && !is {
		return at, database.ErrNoRows
	}
	return at, r.err
}

// join enters the next round, and sees to it that somebody reads it.
func (p *Prover) join(ctx context.Context, of id.ID, account scope.AccountID) *round {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = &round{of: map[id.ID]scope.AccountID{}, done: make(chan struct{})}
	}
	p.next.of[of] = account
	if !p.runs {
		// Others wait for it too, so the end of one call is not its end.
		p.start(context.WithoutCancel(ctx))
	}
	return p.next
}

// start has rounds read, until nobody waits for one.
func (p *Prover) start(ctx context.Context) {
	p.runs = true
	go task.Try(ctx, cmp.Or(p.Log, slog.Default()), "proof", func() {
		defer p.ended(ctx)
		for {
			// Calls that have come in and have yet to run share the read, too: they run now, and
			// who they wake after them.
			for range 4 {
				runtime.Gosched()
			}
			r := p.take()
			if r == nil {
				return
			}
			p.read(ctx, r)
		}
	})
}

// take takes the next round out of the way of those who come now; nil for none.
func (p *Prover) take() *round {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.next
	p.next = nil
	return r
}

// ended begins again where somebody has come meanwhile, or a read has panicked.
func (p *Prover) ended(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs = false; p.next != nil {
		p.start(ctx)
	}
}

// read reads a round. Whatever happens, those who wait are told.
func (p *Prover) read(ctx context.Context, r *round) {
	defer close(r.done)
	r.err = errNotRead
	ctx, cancel := context.WithTimeout(ctx, proofTime)
	defer cancel()
	began := p.DB.Now()
	p.reads.Add(1)
	r.at, r.err = database.Prove(ctx, p.DB, func(tx *database.Tx) (map[id.ID]At, error) {
		return stands(ctx, tx, r.of)
	})
	switch {
	case r.err == nil:
		p.remember(r, began)
	case ctx.Err() != nil:
		r.err = fmt.Errorf("%w: %w", database.ErrSlow, r.err)
	}
}

// errNotRead is the error of a round whose read has panicked.
var errNotRead = errors.New("revision: the read of revisions did not end")

// remember keeps what a round has proved, for those whom that will do later.
func (p *Prover) remember(r *round, began time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recent == nil || len(p.recent) > mostRecent {
		p.recent = map[id.ID]proven{}
	}
	for of, at := range r.at {
		p.recent[of] = proven{at, began, r.of[of]}
	}
	for of := range r.of {
		if _, is := r.at[of]; !is {
			delete(p.recent, of)
		}
	}
}

// last is what was proved last of a scope, and how long ago; below 0 for nothing.
func (p *Prover) last(of id.ID, account scope.AccountID) (At, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known, is := p.recent[of]
	if !is || known.account != account {
		return At{}, -1
	}
	return known.at, p.DB.Now().Sub(known.when)
}

// stands reads where several scopes stand, by one statement, whatever their number.
func stands(ctx context.Context, tx *database.Tx, of map[id.ID]scope.AccountID) (map[id.ID]At, error) {
	at := make(map[id.ID]At, len(of))
	list := make([]byte, 0, 40*len(of))
	for one := range of {
		if len(list) > 0 {
			list = append(list, ',')
		}
		list, _ = one.AppendText(list)
	}
	query, arg := selectRevisions, string(list)
	if tx.DB.Engine == database.SQLite {
		query, arg = selectRevisionsSQLite, `["`+strings.ReplaceAll(arg, ",", `","`)+`"]`
	}
	return at, tx.Query(ctx, func(row database.Scanner) error {
		var one id.ID
		var account scope.AccountID
		var stands At
		err := row.Scan(&one, &account, &stands.Revision, &stands.Stamp, &stands.Tree, &stands.TreeStamp)
		if of[one] == account {
			at[one] = stands
		}
		return err
	}, query, arg)
}
