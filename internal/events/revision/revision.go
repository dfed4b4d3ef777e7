package revision

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// Kind says what a change is about.
type Kind string

// The kinds that this room writes itself; the rooms whose rows are followed have their
// own.
const (
	// Nothing says that the revision was raised for what no follower keeps.
	Nothing Kind = "nothing"
	// Reload says that more was changed than is worth following: read all of it again.
	Reload Kind = "reload"
)

// Change is what a write has done to one row.
type Change struct {
	Kind Kind
	// Subject is the row's id; zero where the body names it, or there is none.
	Subject id.ID
	// Body is the whole row as it is now, in JSON; nil when the row is gone.
	Body any
}

// most is how many changes of one write are kept; of more, Reload is all that is said.
const most = 10_000

// Open gives an Account or an Environment its first revision, 1.
func Open(ctx context.Context, tx *database.Tx, account scope.AccountID, of id.ID) error {
	_, err := tx.Exec(ctx, insertRevision, of, account, newStamp())
	return err
}

// Append has the transaction raise the Environment's revision and keep the changes.
func Append(tx *database.Tx, in scope.Environment, changes ...Change) {
	gather(tx, in.ID.Any(), in.Application.Account.ID).of(in).add(false, changes)
}

// AppendTree is Append for changes of the Environment's tree.
func AppendTree(tx *database.Tx, in scope.Environment, changes ...Change) {
	gather(tx, in.ID.Any(), in.Application.Account.ID).of(in).add(true, changes)
}

// AppendAccount has the transaction raise the Account's revision and keep the changes.
func AppendAccount(tx *database.Tx, in scope.AccountID, changes ...Change) {
	gather(tx, in.Any(), in).add(false, changes)
}

// AppendBeside is Append for who holds no lock of the Environment: one that has been deleted
// meanwhile is passed over.
func AppendBeside(tx *database.Tx, in scope.Environment, changes ...Change) {
	Touch(tx, in.Application.Account.ID, in.ID)
	gather(tx, in.ID.Any(), in.Application.Account.ID).add(false, changes)
}

// Touch has the transaction raise the Environment's revision for what no follower keeps. One
// that has been deleted meanwhile is passed over, unless Append says that it is there.
func Touch(tx *database.Tx, account scope.AccountID, in scope.EnvironmentID) {
	if _, known := database.Collect(tx, fresh).scopes[in.Any()]; !known {
		gather(tx, in.Any(), account).mayBeGone = true
	}
}

// Raised is the revision to which the transaction has raised an Environment, for who writes
// after that: a database.Last of a later turn. 0 where it has raised none.
func Raised(tx *database.Tx, in scope.EnvironmentID) uint64 {
	if r := database.Collect(tx, fresh).scopes[in.Any()]; r != nil {
		return r.raised
	}
	return 0
}

// After gives, once the transaction has committed, the revision to which it has raised the
// Environment; now, where it has raised none.
func After(tx *database.Tx, in scope.EnvironmentID, now uint64) func() uint64 {
	r := database.Collect(tx, fresh).scopes[in.Any()]
	return func() uint64 {
		if r != nil && r.raised != 0 {
			return r.raised
		}
		return now
	}
}

// Raises are the Environments whose revision the transaction raises, or has raised, in no
// order; as far as their ids go, slugs may be absent.
func Raises(tx *database.Tx) (list []scope.Environment) {
	g, raises := database.Collected[*gathered](tx)
	if !raises {
		return nil
	}
	for _, r := range g.scopes {
		if !r.in.ID.IsZero() {
			list = append(list, r.in)
		}
	}
	return list
}

// At is where an Environment or an Account stands. Equal values mean equal contents, also
// across a restored store, which may give a number twice.
type At struct {
	Revision  uint64
	Stamp     string // of the write that raised it
	Tree      uint64 // the revision of the last change of the Environment's tree
	TreeStamp string
}

// Now reads where an Environment stands; database.ErrNoRows where there is none.
func Now(ctx context.Context, tx *database.Tx, in scope.Environment) (at At, err error) {
	err = tx.QueryRow(ctx, selectRevision, in.ID, in.Application.Account.ID).
		Scan(&at.Revision, &at.Stamp, &at.Tree, &at.TreeStamp)
	return at, err
}

// NowAccount is Now for an Account.
func NowAccount(ctx context.Context, tx *database.Tx, in scope.AccountID) (at At, err error) {
	err = tx.QueryRow(ctx, selectRevision, in, in).Scan(&at.Revision, &at.Stamp, &at.Tree, &at.TreeStamp)
	return at, err
}

// Since hands over what was changed in an Environment after it stood somewhere, in order:
// the kind, the row's id and its body. known is false when the kept changes don't lead on
// from there to where the Environment stands: some were swept, or the store is another's or
// was restored. Then what was handed over is of no use.
func Since(
	ctx context.Context, tx *database.Tx, in scope.Environment, from At, fn func(Kind, id.ID, []byte) error,
) (known bool, err error) {
	c := chain{revision: from.Revision, stamp: from.Stamp}
	err = tx.Query(ctx, func(row database.Scanner) error {
		var next link
		var kind Kind
		var subject id.ID
		var body []byte
		err := row.Scan(&next.revision, &next.ordinal, &next.stamp, &next.before, &kind, &subject, &body,
			&c.endRevision, &c.endStamp)
		if err != nil {
			return err
		}
		if !c.leadsTo(next) {
			return errUnknown
		}
		return fn(kind, subject, body)
	}, selectChanges, in.ID, in.Application.Account.ID, from.Revision)
	if errors.Is(err, errUnknown) {
		return false, nil
	}
	return err == nil && c.complete(), err
}

// chain is how far the changes have led. Any of them may have been swept, and later ones
// before earlier ones, so each has to follow the one before.
type chain struct {
	revision uint64
	stamp    string
	ordinal  int // that the next one of the revision has; 0 before the first change

	endRevision uint64 // where the Environment stands
	endStamp    string
}

// link is a change as far as it says where it belongs.
type link struct {
	revision      uint64
	ordinal       int
	stamp, before string
}

func (c *chain) leadsTo(next link) bool {
	switch {
	case c.ordinal > 0 && next.revision == c.revision:
		if next.stamp != c.stamp || next.ordinal != c.ordinal {
			return false
		}
	case next.revision != c.revision+1 || next.before != c.stamp || next.ordinal != 0:
		return false
	}
	c.revision, c.stamp, c.ordinal = next.revision, next.stamp, next.ordinal+1
	return true
}

// complete says whether the last change is that of the revision the Environment stands at.
// Of one write the sweep takes the first rows first, so that none is missing at its end.
func (c *chain) complete() bool {
	return c.ordinal > 0 && c.revision == c.endRevision && c.stamp == c.endStamp
}

var errUnknown = errors.New("revision: the changes don't lead on from there")

// Close ends the counting of an Environment that is gone: there is nothing left to
// follow, and its number reads as unknown.
func Close(ctx context.Context, tx *database.Tx, account scope.AccountID, of id.ID) error {
	delete(database.Collect(tx, fresh).scopes, of)
	_, err := tx.Exec(ctx, deleteRevision, of, account)
	return err
}

// gathered is what one transaction raises.
type gathered struct{ scopes map[id.ID]*raise }

type raise struct {
	account scope.AccountID
	in      scope.Environment // zero for an Account
	tree    bool
	changes []Change
	n       int // of changes, also those that are not kept

	mayBeGone bool   // and is passed over then
	raised    uint64 // what it was raised to; 0 before
}

func fresh() *gathered { return &gathered{scopes: map[id.ID]*raise{}} }

func gather(tx *database.Tx, of id.ID, account scope.AccountID) *raise {
	g := database.Collect(tx, fresh)
	if g.scopes[of] == nil {
		g.scopes[of] = &raise{account: account}
	}
	return g.scopes[of]
}

func (r *raise) of(in scope.Environment) *raise {
	r.in, r.mayBeGone = in, false
	return r
}

func (r *raise) add(tree bool, changes []Change) {
	r.tree = r.tree || tree
	r.n += len(changes)
	if r.n > most {
		r.changes = nil
		return
	}
	r.changes = append(r.changes, changes...)
}

// Turn implements database.Last: the rows that it holds are those that all writers want.
func (*gathered) Turn() int { return 1 }

// Close implements database.Closing: ids ascending, so that no two writers wait for each
// other.
func (g *gathered) Close(ctx context.Context, tx *database.Tx) error {
	byID := slices.SortedFunc(maps.Keys(g.scopes), func(a, b id.ID) int { return cmp.Compare(a.String(), b.String()) })
	for _, of := range byID {
		if err := g.scopes[of].write(ctx, tx, of); err != nil {
			return err
		}
	}
	return nil
}

func (r *raise) write(ctx context.Context, tx *database.Tx, of id.ID) error {
	stamp, tree := newStamp(), 0
	if r.tree {
		tree = 1
	}
	var revision uint64
	var before string
	err := tx.QueryRow(ctx, raiseRevision, stamp, tree, of, r.account).Scan(&revision, &before)
	if errors.Is(err, database.ErrNoRows) {
		if r.mayBeGone {
			return nil
		}
		return errors.New("revision: an Account or Environment without a revision: " + of.String())
	}
	if err != nil {
		return err
	}
	r.raised = revision
	changes := r.changes
	switch {
	case r.n > most:
		changes = []Change{{Kind: Reload}}
	case len(changes) == 0:
		changes = []Change{{Kind: Nothing}}
	}
	for i, c := range changes {
		var body any
		if c.Body != nil {
			raw, err := json.Marshal(c.Body, json.Deterministic(true))
			if err != nil {
				return err
			}
			body = string(raw)
		}
		_, err := tx.Exec(ctx, insertChange, of, revision, i, r.account, stamp, before, string(c.Kind), c.Subject, body,
			tx.Now)
		if err != nil {
			return err
		}
	}
	return nil
}

// newStamp is 16 random characters of a token: enough that no two writes share one.
func newStamp() string { return secret.NewToken().Reveal()[:16] }

// kept is how long changes are kept for those who follow.
const kept = time.Hour

// Sweep removes changes that nobody needs any more, in small pieces.
func Sweep(ctx context.Context, db *database.DB) error {
	for {
		n, err := database.Write(ctx, db, func(tx *database.Tx) (int64, error) {
			return tx.Exec(ctx, sweepChanges, tx.Now.Add(-kept))
		})
		if err != nil || n == 0 {
			return err
		}
	}
}
