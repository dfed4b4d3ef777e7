package dump

import (
	"context"
	"errors"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Limits are how much an Environment may hold.
type Limits struct{ Nodes, Permissions, Roles int }

// plan says what replacing the configuration of an Environment is going to do, and holds
// none of what it is going to write.
type plan struct {
	tx   *database.Tx
	in   scope.Environment
	of   parts
	most Limits
	hash *hashes

	found findings
	wrong []string        // broken rules of form
	keys  map[string]bool // that roles may hold; nil: there are too many

	permissions *permissionPlan // nil: they stay as they are
	roles       *rolePlan
	tree        *treePlan
}

// makePlan holds a source against an Environment that the transaction sees. Faults:
// validation for the form of a dump, environments.import_invalid.
func makePlan(
	ctx context.Context, tx *database.Tx, e environment.Environment, in scope.Environment, from source, of parts,
	most Limits,
) (*plan, error) {
	p := &plan{tx: tx, in: in, of: of, most: most, hash: newHashes()}
	if of.has(Permissions) {
		if err := p.form(p.planPermissions(ctx, from)); err != nil {
			return nil, err
		}
	} else if err := p.catalogue(ctx, tx, in); err != nil {
		return nil, err
	}
	if of.has(Roles) {
		if err := p.form(p.planRoles(ctx, from)); err != nil {
			return nil, err
		}
	}
	if of.has(Hierarchy) {
		if err := p.form(p.planTree(ctx, e, from)); err != nil {
			return nil, err
		}
	}
	if len(p.wrong) > 0 {
		return nil, fault.Validation.WithDetails(p.wrong[:min(len(p.wrong), maxProblems)]...)
	}
	return p, p.found.err()
}

// form keeps the broken rules of form, so that those of the next list are told too.
func (p *plan) form(err error) error {
	if f := fault.As(err); f != nil && errors.Is(f, fault.Validation) {
		p.wrong = append(p.wrong, f.Details...)
		return nil
	}
	return err
}

// planTree reads both trees, and matches them.
func (p *plan) planTree(ctx context.Context, e environment.Environment, from source) error {
	t := &treePlan{src: &tree{hash: p.hash}, tgt: &tree{hash: p.hash}, model: from.head().model}
	p.tree = t
	err := hierarchy.EachNode(ctx, p.tx, p.in, func(n hierarchy.Node) error {
		t.tgt.add(n)
		return nil
	})
	if err != nil {
		return err
	}
	p.planSchema(e, from)
	n := 0
	err = from.nodes(ctx, func(node hierarchy.Node) error {
		if n++; n <= p.most.Nodes {
			t.src.add(node)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if n > p.most.Nodes {
		p.found.add("nodes: there are %d, and an Environment has at most %d", n, p.most.Nodes)
		return nil
	}
	t.tgt.link()
	t.tgt.separate(t.tgt.fromTop())
	t.src.link()
	before := len(p.found.details)
	t.shape(&p.found)
	if len(p.found.details) > before {
		return nil // there is nothing to match
	}
	t.src.parents, t.tgt.parents = nil, nil
	t.order = t.src.fromTop()
	t.pair()
	t.judge()
	t.fit(&p.found, p.most.Nodes)
	return nil
}

// planSchema is the schema that is wanted. Its types get their numbers before those of a
// dump, which may be any.
func (p *plan) planSchema(e environment.Environment, from source) {
	t := p.tree
	t.schema = from.head().schema
	if b, is := from.(*body); is && b.schema != nil {
		kept, err := b.schema.Consistent()
		if f := fault.As(err); f != nil {
			for _, detail := range f.Details {
				p.found.add("hierarchy_schema: %s", detail)
			}
		}
		t.schema = &kept
	}
	t.modelChanges = e.Model != t.model
	t.schemaChanges = (e.Schema == nil) != (t.schema == nil) ||
		t.schema != nil && !hierarchy.SameSchema(e.Schema, *t.schema)
	if t.schema != nil {
		for _, name := range t.schema.NodeTypes {
			p.hash.kind(name)
		}
	}
}
