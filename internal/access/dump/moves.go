package dump

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Result is what an import or a promotion has done, or would do.
type Result struct {
	Environment environment.Environment
	Removed     Removed
	Difference  *Differences // nil: it was done

	written int // nodes
}

// Import replaces parts of what is configured in an Environment by those of a dump, all of
// them or none; a dry run only tells what would be done. Faults: validation,
// environments.import_unsupported, environments.import_invalid. Events:
// environment.imported, and hierarchy_schema.updated where model or schema changed.
func (s *Service) Import(
	ctx context.Context, by principal.Actor, in scope.Environment, raw []byte, of []Part, dry bool,
) (Result, error) {
	leave, err := s.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	from, err := read(raw, of)
	if err != nil {
		return Result{}, err
	}
	ctx = database.Long(ctx)
	if dry {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Result, error) {
			return s.compare(ctx, tx, in, from, of)
		})
	}
	return s.write(ctx, by, in, from, of)
}

// Promote is Import of what is configured in another Environment of the Application, as it
// is at one moment. Fault, besides those of Import: environments.not_in_application.
func (s *Service) Promote(
	ctx context.Context, by principal.Actor, in scope.Environment, slug string, of []Part, dry bool,
) (Result, error) {
	leave, err := s.Enter(ctx)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	ctx = database.Long(ctx)
	if dry {
		return environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (Result, error) {
			from, err := sourceOf(ctx, tx, in.Application, slug, in.ID)
			if err != nil {
				return Result{}, err
			}
			return s.compare(ctx, tx, in, from, of)
		})
	}
	// The source is read by a transaction of its own: the one that writes would see what
	// others commit meanwhile.
	return database.Read(ctx, s.DB, func(view *database.Tx) (Result, error) {
		from, err := sourceOf(ctx, view, in.Application, slug, in.ID)
		if err != nil {
			return Result{}, err
		}
		return s.write(ctx, by, in, from, of)
	})
}

// write replaces parts of an Environment in a transaction.
func (s *Service) write(
	ctx context.Context, by principal.Actor, in scope.Environment, from source, of []Part,
) (Result, error) {
	r, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, e environment.Environment) (Result, error) {
		return s.replace(ctx, tx, by, in, e, from, of)
	})
	if err == nil {
		s.settle(ctx, r.written)
	}
	return r, err
}

// Copy makes an Environment with what is configured in another one of the Application, as
// it is at one moment. The copies get ids of their own, and the refs of their originals.
// Faults: environments.not_in_application, environments.slug_taken. Event:
// environment.created.
func (s *Service) Copy(
	ctx context.Context, by principal.Actor, in scope.Application, d application.Draft, slug string,
) (environment.Environment, error) {
	leave, err := s.Enter(ctx)
	if err != nil {
		return environment.Environment{}, err
	}
	defer leave()
	ctx = database.Long(ctx)
	var n environment.Copied
	e, err := database.Read(ctx, s.DB, func(view *database.Tx) (environment.Environment, error) {
		from, err := sourceOf(ctx, view, in, slug, environment.ID{})
		if err != nil {
			return environment.Environment{}, err
		}
		return s.Applications.AddEnvironment(ctx, by, in, d, &environment.Copy{
			From: slug, Model: from.e.Model, Schema: from.e.Schema,
			Fill: func(ctx context.Context, tx *database.Tx, at scope.Environment) (_ environment.Copied, err error) {
				n, err = s.fill(ctx, tx, by, at, from)
				return n, err
			},
		})
	})
	if err == nil {
		s.settle(ctx, n.Nodes)
	}
	return e, err
}

// fill writes a copy into an Environment that is being made.
func (s *Service) fill(
	ctx context.Context, tx *database.Tx, by principal.Actor, at scope.Environment, from *stored,
) (n environment.Copied, err error) {
	e, err := environment.Find(ctx, tx, at)
	if err != nil {
		return n, err
	}
	p, err := makePlan(ctx, tx, e, at, from, Promoted(), s.limits())
	if err != nil {
		return n, err
	}
	n = environment.Copied{
		Permissions: len(p.permissions.wanted), Roles: len(p.roles.wanted), Nodes: len(p.tree.src.all),
	}
	return n, s.apply(ctx, p, by, from)
}

// sourceOf finds an Environment that a body names, but for the target itself;
// environments.not_in_application.
func sourceOf(
	ctx context.Context, tx *database.Tx, in scope.Application, slug string, but environment.ID,
) (*stored, error) {
	e, err := environment.BySlug(ctx, tx, in, slug)
	if errors.Is(err, environment.ErrNotFound) || err == nil && e.ID == but {
		return nil, application.ErrNotInApplication
	}
	return &stored{tx, e.In(in), e}, err
}

// compare tells what replacing would do.
func (s *Service) compare(
	ctx context.Context, tx *database.Tx, in scope.Environment, from source, of []Part,
) (r Result, err error) {
	if r.Environment, err = environment.Find(ctx, tx, in); err != nil {
		return r, err
	}
	p, err := makePlan(ctx, tx, r.Environment, in, from, of, s.limits())
	if err != nil {
		return r, err
	}
	if r.Removed, err = s.removes(ctx, p); err != nil {
		return r, err
	}
	r.Difference, err = p.difference(ctx, r.Environment, from)
	return r, err
}

// replace does it, and records what was done.
func (s *Service) replace(
	ctx context.Context, tx *database.Tx, by principal.Actor, in scope.Environment, e environment.Environment,
	from source, of []Part,
) (r Result, err error) {
	p, err := makePlan(ctx, tx, e, in, from, of, s.limits())
	if err != nil {
		return r, err
	}
	if r.Removed, err = s.removes(ctx, p); err != nil {
		return r, err
	}
	if err := s.apply(ctx, p, by, from); err != nil {
		return r, err
	}
	if t := p.tree; t != nil {
		e.Model, e.Schema = t.model, t.schema
		r.written = t.made + t.changed + t.gone
	}
	if r.Environment, err = environment.Save(ctx, tx, e); err != nil {
		return r, err
	}
	r.Environment.Follow(tx, in)
	about := entry(by, in, e)
	if err := event.Record(ctx, tx, Imported, about, p.told(from.head(), r.Removed)); err != nil {
		return r, err
	}
	if p.tree == nil || !p.tree.modelChanges && !p.tree.schemaChanges {
		return r, nil
	}
	return r, event.Record(ctx, tx, hierarchy.SchemaUpdated, about, schemaPayload(p.tree.schema))
}

func schemaPayload(s *environment.Schema) hierarchy.SchemaPayload {
	if s == nil {
		return hierarchy.SchemaPayload{NodeTypes: []string{}, MaxDepth: 1}
	}
	return hierarchy.SchemaPayload{NodeTypes: s.NodeTypes, MaxDepth: s.MaxDepth}
}

// told is what the audit row says.
func (p *plan) told(from head, removed Removed) ImportedPayload {
	told := ImportedPayload{Source: from.from, Parts: p.of, Metadata: from.metadata}
	if q := p.permissions; q != nil {
		told.Permissions = &Counts{q.made, q.changed, removed.Permissions}
	}
	if q := p.roles; q != nil {
		told.Roles = &Counts{q.made, q.changed, removed.Roles}
	}
	if q := p.tree; q != nil {
		told.Nodes = &Counts{q.made, q.changed, removed.Nodes}
	}
	told.AssignmentsRemoved = removed.Assignments
	return told
}
