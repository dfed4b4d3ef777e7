package dump

import (
	"context"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Trial is what a use case would do to what decisions see.
type Trial struct {
	// Changes in order; nodes that are made have ids that they are not going to have.
	Changes []decide.Change
	// Large says that the Changes are left out, for there are too many.
	Large bool
	// Removed is what goes.
	Removed Removed
	// Until is when time alone changes what is done; decide.Forever for never.
	Until decide.Instant
	// Source is where the Environment stands from which something comes; zero for none.
	Source revision.At
}

// TryRevert judges Revert, and makes no change; the transaction may be one that only reads. most
// is how many nodes, or assignments, may change for the changes to be told. Fault:
// environments.already_flat.
func (s *Service) TryRevert(
	ctx context.Context, tx *database.Tx, in scope.Environment, most int,
) (t Trial, err error) {
	e, err := environment.Find(ctx, tx, in)
	if err != nil {
		return t, err
	}
	if e.Model == environment.Flat {
		return t, ErrAlreadyFlat
	}
	p, root, ground, err := revertPlan(ctx, tx, in)
	if err != nil {
		return t, err
	}
	f := &flattened{most: most, trial: Trial{Until: decide.Forever}}
	if _, err := assignment.TryFlatten(ctx, tx, in, root.ID, ground, f); err != nil {
		return t, err
	}
	t = f.trial
	if t.Removed.Nodes = p.gone; p.gone > most {
		t.Large = true
	}
	if s.Invites != nil {
		t.Removed.Invites, err = s.Invites.Flattens(ctx, tx, in, root.ID, ground)
	}
	if t.Large {
		t.Changes = nil
		return t, err
	}
	p.eachGone(func(top hierarchy.ID) { t.Changes = append(t.Changes, decide.DropNode{ID: top.Any()}) })
	return t, err
}

// flattened gathers what becomes of assignments.
type flattened struct {
	most, n int
	trial   Trial
}

// Counts implements assignment.Flattening.
func (f *flattened) Counts(a assignment.Assignment) { f.trial.Until = min(f.trial.Until, a.Window.To) }

// Gone implements assignment.Flattening.
func (f *flattened) Gone(a assignment.Assignment) {
	f.trial.Removed.Assignments++
	f.keep(decide.DropAssignment{ID: a.ID.Any(), Identity: a.Identity.Any(), Node: a.Node.Any()})
}

// Moved implements assignment.Flattening.
func (f *flattened) Moved(before, after assignment.Assignment) error {
	f.keep(
		decide.DropAssignment{ID: before.ID.Any(), Identity: before.Identity.Any(), Node: before.Node.Any()},
		decide.PutAssignment{Assignment: after.Decided()})
	return nil
}

// keep keeps the changes of an assignment, if they are not too many.
func (f *flattened) keep(changes ...decide.Change) {
	if f.n++; f.n > f.most {
		f.trial.Large, f.trial.Changes = true, nil
		return
	}
	f.trial.Changes = append(f.trial.Changes, changes...)
}

// TryPromote judges Promote, and makes no change; the transaction may be one that only reads,
// and sees both Environments at one moment. most is as of TryRevert. Faults as of Promote.
func (s *Service) TryPromote(
	ctx context.Context, tx *database.Tx, in scope.Environment, slug string, of []Part, most int,
) (t Trial, err error) {
	t.Until = decide.Forever
	e, err := environment.Find(ctx, tx, in)
	if err != nil {
		return t, err
	}
	from, err := sourceOf(ctx, tx, in.Application, slug, in.ID)
	if err != nil {
		return t, err
	}
	if t.Source, err = revision.Now(ctx, tx, from.in); err != nil {
		return t, err
	}
	p, err := makePlan(ctx, tx, e, in, from, of, s.limits())
	if err != nil {
		return t, err
	}
	if t.Removed, err = s.removes(ctx, p); err != nil {
		return t, err
	}
	if r := p.tree; r != nil {
		t.Large = r.made+r.changed+r.gone > most
	}
	if t.Large = t.Large || t.Removed.Assignments > most; t.Large {
		return t, nil
	}
	t.Changes, err = p.changes(ctx, from)
	return t, err
}

// changes are what decisions see of a plan, in the order of apply.
func (p *plan) changes(ctx context.Context, from source) (list []decide.Change, err error) {
	if q := p.permissions; q != nil {
		for i, w := range q.wanted {
			if q.fates[i] == made {
				list = append(list, decide.PutPermission{Key: w.Key})
			}
		}
	}
	if q := p.roles; q != nil {
		for _, of := range p.goneRoles() {
			list = append(list, decide.DropRole{ID: of.Any()})
		}
		i := -1
		err = from.roles(ctx, func(_ rbac.Role, keys []string) error {
			// Nobody has one that is made.
			if i++; q.fates[i] == changed {
				w := q.wanted[i].Role
				list = append(list, decide.PutRole{Role: decide.Role{
					ID: w.ID.Any(), Name: w.Name, Active: w.Active, Permissions: keys,
				}})
			}
			return nil
		})
	}
	if q := p.permissions; q != nil {
		for _, o := range q.gone {
			list = append(list, decide.DropPermission{Key: o.Key})
		}
	}
	if t := p.tree; t != nil {
		t.name(id.Run[hierarchy.ID](p.tx.Now))
		t.eachPut(func(n hierarchy.Node) { list = append(list, decide.PutNode{Node: n.Decided()}) })
		t.eachGone(func(top hierarchy.ID) { list = append(list, decide.DropNode{ID: top.Any()}) })
	}
	return list, err
}
