package preview

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Config is what a Service is made of.
type Config struct {
	Decisions *decision.Service
	Dumps     *dump.Service
	Invites   Invites
	// Most is how many nodes or assignments may change for the answer to say who gains and who
	// loses; 0 is 100,000.
	Most int
	// Areas is how many gains, and how many losses, are told of one identity; 0 is 20.
	Areas int
	// Work is how long it may look for those; 0 is 2 s.
	Work time.Duration
}

// Invites are what another room keeps of people who are not there yet.
type Invites interface {
	// Naming counts those that name one of the roles or nodes.
	Naming(
		ctx context.Context, tx *database.Tx, in scope.Environment, roles []rbac.RoleID, nodes []hierarchy.ID,
	) (int, error)
	// Of counts those of an address.
	Of(ctx context.Context, tx *database.Tx, in scope.Environment, email string) (int, error)
}

// Service holds the use case. It is safe for concurrent use.
type Service struct {
	Config

	running chan struct{}
}

// atOnce is how many previews run at a time in a process; others wait.
const atOnce = 4

// New makes a Service.
func New(c Config) *Service { return &Service{c, make(chan struct{}, atOnce)} }

func (s *Service) most() int { return cmp.Or(s.Most, 100_000) }

// enter waits for one of the places; leave gives it back.
func (s *Service) enter(ctx context.Context, kind Kind) (leave func(), err error) {
	select {
	case s.running <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if kind != Revert && kind != Promote {
		return func() { <-s.running }, nil
	}
	other, err := s.Dumps.Enter(ctx)
	if err != nil {
		<-s.running
		return nil, err
	}
	return func() { other(); <-s.running }, nil
}

// Query asks for a page of what a change would do. Change is normalised.
type Query struct {
	Change Change
	Cursor string // Next of the page before; "" for the first page
	Limit  int    // 1 to 200 identities
}

// Page is a page of what a change would do now.
type Page struct {
	Problems []Problem
	Revision uint64         // of the Environment, at which it was judged
	Until    decide.Instant // when time alone would change the answer; decide.Forever for never
	Summary  *Summary       // on the first page
	Items    []Item         // everybody whose answers change, by id
	Next     string         // "" on the last page
}

// Summary is what a change does in all.
type Summary struct {
	Gaining, Losing int
	Complete        bool // else the numbers are lower bounds
	Going           Going
}

// Item is somebody whose answers change.
type Item struct {
	Identity      enduser.Named
	Gains, Losses []Area // some of each
	More          int    // areas that are left out
}

// Area is a permission at a node and everything live below, but for some subtrees.
type Area struct {
	Permission string
	Node       id.ID
	NodeName   string
	Except     []id.ID // tops of the subtrees that are not part of it
}

// mostCounted is how many identities a summary counts.
const mostCounted = 10_000

// Preview tells a page of what a change would do, and makes none. Faults: validation for the
// cursor, access.preview_outdated, environments.not_found.
func (s *Service) Preview(ctx context.Context, in scope.Environment, q Query) (Page, error) {
	a := &asking{s: s, in: in, q: q}
	var err error
	if a.at.question, err = questionOf(in, q.Change); err != nil {
		return Page{}, err
	}
	if q.Cursor != "" {
		if a.at, err = parseCursor(q.Cursor, a.at.question); err != nil {
			return Page{}, err
		}
	}
	leave, err := s.enter(ctx, q.Change.Kind)
	if err != nil {
		return Page{}, err
	}
	defer leave()
	work, cancel := context.WithTimeout(ctx, cmp.Or(s.Work, 2*time.Second))
	defer cancel()
	a.worked = func() bool { return work.Err() != nil }
	if q.Change.Kind == Revert || q.Change.Kind == Promote {
		ctx = database.Long(ctx) // whole trees are read
	}
	p, err := decision.Moment(ctx, s.Decisions, in,
		func(tx *database.Tx, at revision.At, world *decide.Snapshot) (Page, error) {
			return a.page(ctx, tx, at, world)
		})
	if err == nil && q.Cursor == "" {
		a.sum(&p)
	}
	return p, err
}

// asking is one Preview under way.
type asking struct {
	s  *Service
	in scope.Environment
	q  Query
	at cursor // where the page begins

	worked func() bool // the time for work is over

	judged  *judgement
	trial   *decide.Trial // nil where nobody is to be told
	now     decide.Instant
	last    id.ID // the last identity that the page has come to
	summary Summary
}

// page judges, and makes the page.
func (a *asking) page(
	ctx context.Context, tx *database.Tx, at revision.At, world *decide.Snapshot,
) (p Page, err error) {
	a.judged = &judgement{until: decide.Forever}
	a.trial, a.now, a.summary = nil, decide.Instant(tx.Now.UnixMicro()), Summary{}
	j := &judge{judgement: a.judged, s: a.s, tx: tx, in: a.in, world: world, first: a.q.Cursor == ""}
	if err := j.judge(ctx, a.q.Change); err != nil {
		return p, err
	}
	state := stateOf(at, j.source)
	if a.q.Cursor != "" && a.at.state != state {
		return p, ErrOutdated
	}
	p = Page{Problems: j.problems, Revision: at.Revision, Until: j.until}
	if j.large || len(j.changes) == 0 {
		return p, nil
	}
	a.trial = world.Try(decide.Edit{Revision: at.Revision + 1, Changes: j.changes})
	if j.kept {
		a.trial = a.trial.Kept()
	}
	more := a.gather(&p)
	if more {
		p.Next = cursor{a.last, a.at.question, state}.String()
	}
	return p, names(ctx, tx, a.in, p.Items)
}

// gather fills the page; more says that there may be others.
func (a *asking) gather(p *Page) (more bool) {
	a.trial.Each(a.at.after, a.now, func(i decide.Impact) bool {
		if i.Changes() && len(p.Items) == a.q.Limit {
			more = true
			return false
		}
		a.last, p.Until = i.Identity, min(p.Until, i.Until)
		if i.Changes() {
			p.Items = append(p.Items, item(i, cmp.Or(a.s.Areas, 20)))
			a.summary.add(len(i.Gains) > 0, len(i.Losses) > 0)
		}
		more = a.worked()
		return !more
	})
	return more
}

func (s *Summary) add(gains, loses bool) {
	if gains {
		s.Gaining++
	}
	if loses {
		s.Losing++
	}
}

// sum tells what the change does in all: it goes on counting where the page has ended.
func (a *asking) sum(p *Page) {
	a.summary.Going = a.judged.going
	a.summary.Complete = !a.judged.large
	p.Summary = &a.summary
	if p.Next == "" {
		return
	}
	n := a.trial.Count(a.last, mostCounted-len(p.Items), a.now, a.worked)
	a.summary.Gaining += n.Gaining
	a.summary.Losing += n.Losing
	a.summary.Complete = n.Whole
	p.Until = min(p.Until, n.Until)
}

func item(i decide.Impact, most int) Item {
	cut := func(all []decide.Area) []Area {
		list := make([]Area, min(len(all), most))
		for k := range list {
			list[k] = Area{Permission: all[k].Permission, Node: all[k].Node, Except: all[k].Except}
		}
		return list
	}
	it := Item{Identity: enduser.Named{ID: enduser.ID(i.Identity)}, Gains: cut(i.Gains), Losses: cut(i.Losses)}
	it.More = len(i.Gains) + len(i.Losses) - len(it.Gains) - len(it.Losses)
	return it
}

// namesAtOnce is how many names one statement asks for.
const namesAtOnce = 200

// names tells what people and nodes are called.
func names(ctx context.Context, tx *database.Tx, in scope.Environment, items []Item) error {
	people := make([]enduser.ID, len(items))
	var nodes []id.ID
	for i := range items {
		people[i] = items[i].Identity.ID
		for _, area := range slices.Concat(items[i].Gains, items[i].Losses) {
			nodes = append(nodes, area.Node)
		}
	}
	known, err := enduser.NamedOf(ctx, tx, in.Application.Account.ID, people)
	if err != nil {
		return err
	}
	person := make(map[enduser.ID]enduser.Named, len(known))
	for _, n := range known {
		person[n.ID] = n
	}
	slices.SortFunc(nodes, func(a, b id.ID) int { return slices.Compare(a[:], b[:]) })
	node := map[id.ID]hierarchy.Named{}
	for piece := range slices.Chunk(slices.Compact(nodes), namesAtOnce) {
		some, err := hierarchy.NamesOf(ctx, tx, in, piece)
		if err != nil {
			return err
		}
		maps.Copy(node, some)
	}
	for i := range items {
		it := &items[i]
		it.Identity = person[it.Identity.ID]
		for _, list := range [][]Area{it.Gains, it.Losses} {
			for k := range list {
				list[k].NodeName = node[list[k].Node].Name
			}
		}
	}
	return nil
}
