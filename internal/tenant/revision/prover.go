package revision

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Prover tells where Environments stand, by one read for all who ask at a moment: at most
// one runs, and who comes meanwhile shares the next, which begins after the question came
// in. So the proof that what is held in memory is current costs the store the same however
// many ask.
//
//	asked ──► next round ──the one before has ended──► one read ──► all who asked
//
// It may be used by many at once.
type Prover struct {
	DB *database.DB

	mu   sync.Mutex
	runs bool
	next *round
}

// round is one read and those who wait for it.
type round struct {
	of   map[id.ID]scope.AccountID
	lead chan struct{} // tells one who waits to read
	done chan struct{} // closed when at and err are there

	waiting int // under Prover.mu

	at  map[id.ID]At
	err error
}

// proofTime is how long one read may take.
const proofTime = time.Second

// At is where an Environment stands, read after At was called; database.ErrNoRows where
// there is none.
func (p *Prover) At(ctx context.Context, in scope.Environment) (At, error) {
	r, leads := p.join(in)
	if !leads {
		select {
		case <-r.done:
		case <-r.lead:
			leads = true
		case <-ctx.Done():
			p.leave(ctx, r)
			return At{}, ctx.Err()
		}
	}
	if leads {
		p.read(ctx, r)
	}
	at, is := r.at[in.ID.Any()]
	if r.err == nil && !is {
		return at, database.ErrNoRows
	}
	return at, r.err
}

// join enters the next round; leads says that it is to be read at once.
func (p *Prover) join(in scope.Environment) (r *round, leads bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == nil {
		p.next = &round{
			of: map[id.ID]scope.AccountID{}, lead: make(chan struct{}, 1), done: make(chan struct{}),
		}
	}
	r = p.next
	r.of[in.ID.Any()] = in.Application.Account.ID
	if p.runs {
		r.waiting++
		return r, false
	}
	p.runs, p.next = true, nil
	return r, true
}

// leave is for one who waits no more. Who was told to read does so all the same: others
// wait for it.
func (p *Prover) leave(ctx context.Context, r *round) {
	p.mu.Lock()
	r.waiting--
	told := len(r.lead) > 0
	if told {
		<-r.lead
	}
	p.mu.Unlock()
	if told {
		p.read(ctx, r)
	}
}

// read reads a round, and gives the next one to somebody who waits for it.
func (p *Prover) read(ctx context.Context, r *round) {
	// Others wait for it too, so the end of one call is not its end.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), proofTime)
	defer cancel()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		close(r.done)
		if p.runs = p.next != nil && p.next.waiting > 0; p.runs {
			p.next.lead <- struct{}{}
		}
		p.next = nil
	}()
	r.at, r.err = database.Prove(ctx, p.DB, func(tx *database.Tx) (map[id.ID]At, error) {
		return stands(ctx, tx, r.of)
	})
	if r.err != nil && ctx.Err() != nil {
		r.err = fmt.Errorf("%w: %w", database.ErrSlow, r.err)
	}
}

// stands reads where several scopes stand. Their number is rounded up, so that the store
// knows few statements.
func stands(ctx context.Context, tx *database.Tx, of map[id.ID]scope.AccountID) (map[id.ID]At, error) {
	at := make(map[id.ID]At, len(of))
	ids := slices.Collect(maps.Keys(of))
	for len(ids) > 0 {
		n := 1
		for n < min(len(ids), mostAtOnce) {
			n *= 8
		}
		args, marks := make([]any, 2*n), make([]string, n)
		for i := range n {
			one := ids[min(i, len(ids)-1)]
			args[2*i], args[2*i+1] = one, of[one]
			marks[i] = "($" + strconv.Itoa(2*i+1) + ", $" + strconv.Itoa(2*i+2) + ")"
		}
		ids = ids[min(n, len(ids)):]
		err := tx.Query(ctx, func(row database.Scanner) error {
			var one id.ID
			var stands At
			err := row.Scan(&one, &stands.Revision, &stands.Stamp, &stands.Tree, &stands.TreeStamp)
			at[one] = stands
			return err
		}, selectRevisions+strings.Join(marks, ", ")+`)`, args...)
		if err != nil {
			return nil, err
		}
	}
	return at, nil
}

// mostAtOnce is how many scopes one statement takes.
const mostAtOnce = 64
