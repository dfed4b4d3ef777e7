package export

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/task"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// atOnce is how many jobs a process works on at once.
	atOnce = 2
	// look is how often it looks for jobs that others were asked for, or have left.
	look = time.Second
	// lease is how long a claim lasts that is not renewed.
	lease = 30 * time.Second
	// giveFor is the time for giving back what a process that is stopped has not finished.
	giveFor = 3 * time.Second
)

// Worker makes the files, in any number of processes at once. Make one with NewWorker.
type Worker struct {
	db  *database.DB
	log *slog.Logger

	// Most is how many rows a file may have.
	most int64
	// page is how many rows are read at once, piece how many bytes a piece of a file has.
	page, piece int
	lease       time.Duration
	wrote       func(int) // is told how many pieces there are; may be nil

	wake chan struct{}
}

// WorkerConfig is what a Worker is made of. Zero numbers are the usual ones.
type WorkerConfig struct {
	DB    *database.DB
	Log   *slog.Logger
	Most  int64         // rows of a file
	Page  int           // rows that are read at once
	Piece int           // bytes of a piece of a file
	Lease time.Duration // of a claim that is not renewed
	Wrote func(int)     // is told how many pieces there are by now; may be nil
}

// NewWorker makes a worker; it does nothing before Run or RunDue.
func NewWorker(c WorkerConfig) *Worker {
	return &Worker{
		db: c.DB, log: c.Log, most: cmp.Or(c.Most, mostRows), page: cmp.Or(c.Page, 4000), piece: cmp.Or(c.Piece, 256<<10),
		lease: cmp.Or(c.Lease, lease), wrote: c.Wrote, wake: make(chan struct{}, 1),
	}
}

// Wake has Run look for jobs now. It does not block.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// Run makes files until ctx ends. What is unfinished then is given back, for others or for later.
func (w *Worker) Run(ctx context.Context) {
	var lanes sync.WaitGroup
	for range atOnce {
		lanes.Go(func() { task.Keep(ctx, w.log, "audit export", w.run) })
	}
	lanes.Wait()
}

func (w *Worker) run(ctx context.Context) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	failing := false
	for ctx.Err() == nil {
		worked, err := w.next(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			w.log.ErrorContext(ctx, "an audit export can't be made", "error", err)
		}
		if failing = err != nil; worked && !failing {
			continue
		}
		select {
		case <-ctx.Done():
		case <-w.wake:
		case <-tick.C:
		}
	}
}

// RunDue makes all files that are asked for, one after the other, and tells how many jobs it has
// worked on.
func (w *Worker) RunDue(ctx context.Context) (jobs int, err error) {
	for {
		worked, err := w.next(ctx)
		if err != nil || !worked {
			return jobs, err
		}
		jobs++
	}
}

// claim is a job that this worker has.
type claim struct {
	key
	token   id.ID
	tries   int
	order   order
	payload Payload
	format  Format
	entry   event.Entry // of what is recorded of it
}

// errLost is for a job that was deleted, or that another worker has by now.
var errLost = errors.New("export: the claim is lost")

// next works on one job, if there is any.
func (w *Worker) next(ctx context.Context) (worked bool, err error) {
	c, is, err := w.claim(ctx)
	if err != nil || !is {
		return false, err
	}
	if c.tries > mostTries {
		return true, ended(w.fail(ctx, c, interrupted))
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var renewing sync.WaitGroup
	renewing.Go(func() { task.Try(working, w.log, "claim of an audit export", func() { w.keep(working, stop, c) }) })
	err = w.work(working, c)
	lost := working.Err() != nil && ctx.Err() == nil
	stop()
	renewing.Wait()
	if err != nil && ctx.Err() != nil {
		return true, w.give(ctx, c)
	}
	if lost {
		return true, nil
	}
	return true, ended(err)
}

// ended is nil where the job is nobody's business here any more.
func ended(err error) error {
	if errors.Is(err, errLost) {
		return nil
	}
	return err
}

// keep renews a claim, and ends the work once it is lost.
func (w *Worker) keep(ctx context.Context, stop func(), c *claim) {
	tick := time.NewTicker(w.lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := w.write(ctx, c, func(*database.Tx) error { return nil }); errors.Is(err, errLost) {
			stop()
			return
		}
	}
}

func (w *Worker) claim(ctx context.Context) (c *claim, is bool, err error) {
	found, err := database.Ask(ctx, w.db, func(tx *database.Tx) ([]key, error) {
		return database.All(ctx, tx, scanKey, selectClaimable, tx.Now, tx.Now.Add(2*w.lease))
	})
	if err != nil || len(found) == 0 {
		return nil, false, err
	}
	c = &claim{key: found[0], token: id.New[id.ID](w.db.Now())}
	err = database.Do(ctx, w.db, func(tx *database.Tx) error {
		var filter, stated, surface string
		var application scope.ApplicationID
		var environment scope.EnvironmentID
		var reach id.ID
		err := tx.QueryRow(ctx, claimJob, c.token, tx.Now.Add(w.lease), c.account, c.id, tx.Now, tx.Now.Add(2*w.lease)).
			Scan(&c.tries, &filter, &stated, &application, &environment, &reach, &surface, &c.format)
		if err != nil {
			return err
		}
		by := principal.System()
		by.Request.ID = c.id.String()
		c.entry = event.Entry{Actor: by, Account: c.account, Resource: c.id.Any()}
		if reach == environment.Any() {
			c.entry.Application, c.entry.Environment = application, environment
		}
		return errors.Join(json.Unmarshal([]byte(filter), &c.order), json.Unmarshal([]byte(stated), &c.payload))
	})
	if errors.Is(err, database.ErrNoRows) {
		return nil, false, nil // another was faster
	}
	return c, err == nil, err
}

// write runs fn in a transaction that holds the claim; errLost without it.
func (w *Worker) write(ctx context.Context, c *claim, fn func(*database.Tx) error) error {
	return database.Do(ctx, w.db, func(tx *database.Tx) error {
		n, err := tx.Exec(ctx, renewClaim, tx.Now.Add(w.lease), c.account, c.id, c.token)
		if err != nil {
			return err
		}
		if n == 0 {
			return errLost
		}
		return fn(tx)
	})
}

// give gives a job back, as if it had not been tried.
func (w *Worker) give(ctx context.Context, c *claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveFor)
	defer cancel()
	return database.Do(ctx, w.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, giveJob, c.account, c.id, c.token)
		return err
	})
}
