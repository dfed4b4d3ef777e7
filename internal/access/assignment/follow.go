package assignment

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/assignment/ledger"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/edits"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// load reads a whole ledger, at one moment.
func (s *Service) load(ctx context.Context, in scope.Environment) (*held, error) {
	return environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (*held, error) {
		b := ledger.NewBuilder()
		err := tx.Query(ctx, func(row database.Scanner) error {
			r, err := scanLedger(row)
			b.Row(r)
			return err
		}, selectLedger, in.ID)
		if err != nil {
			return nil, err
		}
		tell := func(f membership.Face) { b.Person(person(f)) }
		if err := membership.Faces(ctx, tx, in, tell); err != nil {
			return nil, err
		}
		if err := membership.FacesOf(ctx, tx, in, identities(b.Strangers()), tell); err != nil {
			return nil, err
		}
		return &held{b.Build(), at, tx.Now}, nil
	})
}

// changes are what has become of assignments since a ledger was read.
type changes struct {
	rows    map[id.ID]id.ID // of whom, by assignment
	people  map[id.ID]bool
	edit    ledger.Edit
	noNodes bool // some node is gone
}

// mostFollowed is how many changes are read before a ledger is read anew.
const mostFollowed = 20_000

// errFar says that a ledger can't be followed, or is too far behind.
var errFar = errors.New("assignment: too far behind to follow")

// follow brings a ledger up to where the transaction's view stands; nil where the kept
// changes don't lead there, or reading everything again is less.
func (s *Service) follow(
	ctx context.Context, tx *database.Tx, in scope.Environment, from *held, at revision.At,
) (*held, error) {
	if from.Waste() > from.Len()+10_000 {
		return nil, nil //nolint:nilnil // as above
	}
	c := changes{rows: map[id.ID]id.ID{}, people: map[id.ID]bool{}}
	left := mostFollowed
	known, err := revision.Since(ctx, tx, in, from.at, func(kind revision.Kind, subject id.ID, body []byte) error {
		change, err := edits.Of(kind, subject, body)
		if left--; err != nil || left < 0 {
			return errFar
		}
		c.note(change)
		return nil
	})
	if errors.Is(err, errFar) || err == nil && (!known || len(c.rows) > from.Len()/8+1000) {
		return nil, nil //nolint:nilnil // as above
	}
	if err != nil {
		return nil, err
	}
	if err := c.read(ctx, tx, in, from.Index); err != nil {
		return nil, err
	}
	next := from.Apply(c.edit)
	if c.noNodes {
		if next, err = withoutNodes(ctx, tx, in, next, from.read.Add(-longWrite)); err != nil {
			return nil, err
		}
	}
	return &held{next, at, tx.Now}, nil
}

// note keeps what a change is about. What has become of it is read afterwards.
func (c *changes) note(change decide.Change) {
	switch change := change.(type) {
	case decide.PutAssignment:
		c.rows[change.ID] = change.Identity
	case decide.DropAssignment:
		c.rows[change.ID] = change.Identity
	case decide.PutMember:
		c.people[change.Identity] = true
	case decide.DropMember:
		c.edit.GonePeople = append(c.edit.GonePeople, change.Identity)
	case decide.DropRole:
		c.edit.GoneRoles = append(c.edit.GoneRoles, change.ID)
	case decide.DropNode:
		c.noNodes = true
	}
}

// read finds out what the rows and people are now.
func (c *changes) read(ctx context.Context, tx *database.Tx, in scope.Environment, x *ledger.Index) error {
	ids := make([]id.ID, 0, len(c.rows))
	for of, whose := range c.rows {
		ids = append(ids, of)
		c.edit.Touched = append(c.edit.Touched, ledger.Touched{ID: of, Identity: whose})
		if !x.Knows(whose) {
			c.people[whose] = true
		}
	}
	for piece := range slices.Chunk(ids, idsAtOnce) {
		args := []any{in.ID}
		for _, of := range piece {
			args = append(args, of)
		}
		some, err := database.All(ctx, tx, scanLedger, selectLedgerOf+`(`+database.Marks(2, len(piece))+`)`, args...)
		if err != nil {
			return err
		}
		c.edit.Put = append(c.edit.Put, some...)
	}
	holding := make(map[id.ID]bool, len(c.edit.Put))
	for i := range c.edit.Put {
		holding[c.edit.Put[i].Identity] = true
	}
	people := make([]id.ID, 0, len(c.people))
	for who := range c.people {
		if x.Knows(who) || holding[who] {
			people = append(people, who)
		}
	}
	return membership.FacesOf(ctx, tx, in, identities(people), func(f membership.Face) {
		c.edit.People = append(c.edit.People, person(f))
	})
}

// longWrite is how long a write takes at most, as a rule: those that take longer cost a look
// at all places where something is assigned.
const longWrite = 10 * time.Minute

// withoutNodes takes out what has gone with nodes: no change tells of it.
func withoutNodes(
	ctx context.Context, tx *database.Tx, in scope.Environment, x *ledger.Index, since time.Time,
) (*ledger.Index, error) {
	n, err := kept(ctx, tx, in.ID, tallyAll, "")
	if err != nil || n == x.Len() {
		return x, err
	}
	gone, err := hierarchy.DeletedSince(ctx, tx, in, since)
	if err != nil {
		return nil, err
	}
	if x = x.Apply(ledger.Edit{GoneNodes: anyIDs(gone)}); n == x.Len() {
		return x, nil
	}
	nodes := map[id.ID]bool{}
	err = tx.Query(ctx, func(row database.Scanner) error {
		var at id.ID
		err := row.Scan(&at)
		nodes[at] = true
		return err
	}, selectPlaces, in.ID)
	return x.Apply(ledger.Edit{Nodes: nodes}), err
}

func identities(of []id.ID) []enduser.ID {
	list := make([]enduser.ID, len(of))
	for i := range of {
		list[i] = principal.IdentityID(of[i])
	}
	return list
}

// person is somebody as a ledger knows people. Where the name ends what is searched, which it
// does, the two share their memory.
func person(f membership.Face) ledger.Person {
	p := ledger.Person{ID: f.Identity.Any(), Fold: f.NameFold, Search: f.Search, Counts: f.Counts}
	if strings.HasSuffix(p.Search, p.Fold) {
		p.Fold = p.Search[len(p.Search)-len(p.Fold):]
	}
	return p
}

func scanLedger(row database.Scanner) (r ledger.Row, err error) {
	return r, row.Scan(&r.ID, &r.Identity, &r.Node, &r.Role, &r.From, &r.To, &r.Created)
}
