package decision

import (
	"context"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

func (s *Service) now() decide.Instant { return instant(s.DB.Now()) }

func instant(t time.Time) decide.Instant { return decide.Instant(t.UnixMicro()) }

// Evaluate answers one question. An unknown identity, node or permission is a denial.
func (s *Service) Evaluate(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.Question,
) (decide.Decision, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return decide.Decision{}, err
	}
	now := s.DB.Now()
	d := h.Evaluate(q, instant(now), nil)
	s.note(&by, in.ID, h, now, q, d)
	return d, nil
}

// Bulk answers all questions as of one moment, in their order.
func (s *Service) Bulk(
	ctx context.Context, by principal.Actor, in scope.Environment, list []decide.Question,
) ([]decide.Decision, error) {
	return s.Until(ctx, by, in, list, func(decide.Decision) bool { return false })
}

// Trace is how a question is decided, with the names of what led to it.
type Trace struct {
	decide.Trace
	Names map[id.ID]hierarchy.Named // of the nodes of the lineage
}

// Explain says how Evaluate would answer about a node, as of an instant in place of now; nil is
// now. Faults: identities.not_found for somebody who never was a member,
// nodes.node_not_found.
func (s *Service) Explain(
	ctx context.Context, by principal.Actor, in scope.Environment, identity id.ID, permission string, node id.ID,
	at *time.Time,
) (t Trace, err error) {
	var asked *held
	err = s.named(ctx, in, func(h *held) error {
		now := s.now()
		if at != nil {
			now = instant(*at)
		}
		asked, t.Trace = h, h.Explain(identity, permission, node, now)
		if t.Reason == decide.IdentityNotFound {
			return enduser.ErrNotFound
		}
		if t.Reason == decide.NodeNotFound {
			return hierarchy.ErrNotFound
		}
		return nil
	}, func(tx *database.Tx) (err error) {
		ids := make([]id.ID, len(t.Lineage))
		for i, n := range t.Lineage {
			ids[i] = n.ID
		}
		t.Names, err = hierarchy.NamesOf(ctx, tx, in, ids)
		return err
	})
	if err == nil {
		q := decide.Question{Identity: identity, Permission: permission, Scope: decide.AtNode, Node: node}
		s.explained(&by, in.ID, asked, at, q, t.Decision)
	}
	return t, err
}

// Permissions are the keys that a member holds anywhere now, or at a node, sorted. Faults:
// identities.not_found, nodes.node_not_found.
func (s *Service) Permissions(
	ctx context.Context, by principal.Actor, in scope.Environment, identity enduser.ID, node hierarchy.ID,
) ([]string, error) {
	q := decide.Question{Identity: identity.Any(), Scope: decide.AppWide}
	if !node.IsZero() {
		q.Scope, q.Node = decide.AtNode, node.Any()
	}
	h, keys, member, known, err := s.allowed(ctx, in, q)
	switch {
	case err != nil:
		return nil, err
	case !member:
		return nil, enduser.ErrNotFound
	case !known:
		return nil, hierarchy.ErrNotFound
	}
	s.listed(&by, in, h, decisionlog.Permissions, q, decide.None, len(keys))
	return keys, nil
}

// allowed are the keys for which Evaluate would allow as q asks, whether it asks about a member,
// and about a node that is there.
func (s *Service) allowed(
	ctx context.Context, in scope.Environment, q decide.Question,
) (h *held, keys []string, member, known bool, err error) {
	if h, err = s.fresh(ctx, in); err != nil {
		return nil, nil, false, false, err
	}
	if q.Scope == decide.AppWide {
		keys, member = h.Permissions(q.Identity, s.now())
		return h, keys, member, true, nil
	}
	keys, member, known = h.PermissionsAt(q.Identity, q.Node, s.now())
	return h, keys, member, known, nil
}

// Grants are what a member holds now, and at which nodes it was given. Fault:
// identities.not_found.
func (s *Service) Grants(
	ctx context.Context, by principal.Actor, in scope.Environment, identity enduser.ID,
) (decide.GrantList, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return decide.GrantList{}, err
	}
	list, member := h.Grants(identity.Any(), s.now())
	if !member {
		return list, enduser.ErrNotFound
	}
	q := decide.Question{Identity: identity.Any(), Scope: decide.AppWide}
	s.listed(&by, in, h, decisionlog.Grants, q, decide.None, len(list.Grants))
	return list, nil
}
