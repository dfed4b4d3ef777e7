package export

import (
	"context"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the use cases of jobs and files. It is safe for concurrent use.
type Service struct {
	DB     *database.DB
	Box    *secret.Box
	Public string // where links lead, without a slash at the end
	Wake   func() // has a worker look for jobs now; nil: it looks by itself
}

// key is a job's, in the store.
type key struct {
	id      ID
	account scope.AccountID
}

// Ask asks for a file of the rows that a query means, of which cursor and limit don't count. Its
// window is fixed now. Faults: validation for a window that ends before it begins,
// rate_limit.exceeded where the Account has five unfinished jobs. Event: audit.export.requested.
func (s *Service) Ask(ctx context.Context, in audit.Reader, q audit.Query, format Format) (Job, error) {
	return database.Write(ctx, s.DB, func(tx *database.Tx) (j Job, err error) {
		if err := in.Note(ctx, tx); err != nil {
			return j, err
		}
		f, exists := in.Within(q.Filter)
		f.From, f.To = q.Window(tx.Now)
		if f.From.After(f.To) {
			return j, audit.ErrWindow
		}
		if f.To.After(tx.Now) {
			f.To = tx.Now // what comes while the file is made is not asked for
		}
		j = Job{
			ID: id.New[ID](tx.Now), Account: in.Account, Application: q.Application, Environment: q.Environment,
			Surface: surfaceOf(in), Format: format, Status: Pending, CreatedAt: tx.Now,
		}
		if !in.Environment.ID.IsZero() {
			j.Application, j.Environment = in.Environment.Application.ID, in.Environment.ID
		}
		payload := Payload{j.Surface, format, q.Stated()}
		if err := s.add(ctx, tx, in, &j, order{f, !exists || f.From.After(f.To)}, payload); err != nil {
			return j, err
		}
		if s.Wake != nil {
			tx.AfterCommit(s.Wake)
		}
		return j, event.Record(ctx, tx, Requested, entry(in, j.ID), payload)
	})
}

func entry(in audit.Reader, of ID) event.Entry {
	e := in.Entry()
	e.Resource = of.Any()
	return e
}

// add writes a job that takes the first free slot of its Account.
func (s *Service) add(
	ctx context.Context, tx *database.Tx, in audit.Reader, j *Job, o order, payload Payload,
) error {
	filter, err := stored(o)
	if err != nil {
		return err
	}
	stated, err := stored(payload)
	if err != nil {
		return err
	}
	for slot := range mostUnfinished {
		n, err := tx.Exec(ctx, insertJob, j.ID, j.Account, j.Application, j.Environment, reach(in), j.Surface,
			string(j.Format), filter, stated, slot, j.CreatedAt)
		if err != nil || n == 1 {
			return err
		}
	}
	return fault.RateLimited
}

// List gives the newest 50 jobs of a reader.
func (s *Service) List(ctx context.Context, in audit.Reader) ([]Job, error) {
	return database.Read(ctx, s.DB, func(tx *database.Tx) ([]Job, error) {
		if err := in.Note(ctx, tx); err != nil {
			return nil, err
		}
		return database.All(ctx, tx, scanJob, selectJobs, in.Account, reach(in), surfaceOf(in), tx.Now, mostListed)
	})
}

// Get gives a job of a reader, and, once it is completed, a new link to its file; "" before that.
// Fault: audit.export_not_found.
func (s *Service) Get(ctx context.Context, in audit.Reader, of ID) (j Job, link string, err error) {
	var now time.Time
	j, err = database.Read(ctx, s.DB, func(tx *database.Tx) (Job, error) {
		now = tx.Now
		if err := in.Note(ctx, tx); err != nil {
			return j, err
		}
		return scanJob(tx.QueryRow(ctx, selectJob, in.Account, reach(in), surfaceOf(in), tx.Now, of))
	})
	if err != nil || j.Status != Completed {
		return j, "", missing(err)
	}
	link, err = s.link(j, now)
	return j, link, err
}

func missing(err error) error {
	if errors.Is(err, database.ErrNoRows) {
		return ErrNotFound
	}
	return err
}

// Delete ends a job, also while it is worked on, and its file. Fault: audit.export_not_found.
// Event: audit.export.deleted.
func (s *Service) Delete(ctx context.Context, in audit.Reader, of ID) error {
	return database.Do(ctx, s.DB, func(tx *database.Tx) error {
		if err := in.Note(ctx, tx); err != nil {
			return err
		}
		j, err := scanJob(tx.QueryRow(ctx, selectJob, in.Account, reach(in), surfaceOf(in), tx.Now, of))
		if err != nil {
			return missing(err)
		}
		var stated string
		// Whoever deletes it at the same time may have been faster.
		if err := tx.QueryRow(ctx, endJob, tx.Now, in.Account, j.ID).Scan(&stated); err != nil {
			return missing(err)
		}
		var payload Payload
		if err := json.Unmarshal([]byte(stated), &payload); err != nil {
			return err
		}
		return event.Record(ctx, tx, Deleted, entry(in, j.ID), payload)
	})
}
