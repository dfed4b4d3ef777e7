package decision

import (
	"context"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// Until answers questions as of one moment, in their order, up to and with the first answer
// that ends them.
func (s *Service) Until(
	ctx context.Context, by principal.Actor, in scope.Environment, list []decide.Question,
	ends func(decide.Decision) bool,
) ([]decide.Decision, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return nil, err
	}
	now := s.DB.Now()
	decided := h.Bulk(list, instant(now), nil)
	for i, d := range decided {
		s.note(&by, in.ID, h, now, list[i], d)
		if ends(d) {
			return decided[:i+1], nil
		}
	}
	return decided, nil
}

// Holders is WhoCan without names.
func (s *Service) Holders(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.WhoQuery,
) (decide.WhoPage, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return decide.WhoPage{}, err
	}
	p := h.WhoCan(q, s.now())
	s.holding(&by, in, h, q, p)
	return p, nil
}

// WhoCanAnywhere is a page of the identities for which Evaluate allows somewhere, now, by id,
// and the id to be sent as after for the next page; zero on the last page.
func (s *Service) WhoCanAnywhere(
	ctx context.Context, by principal.Actor, in scope.Environment, permission string, after id.ID, limit int,
) (list []id.ID, next id.ID, err error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return nil, id.ID{}, err
	}
	list, next = h.WhoCanAnywhere(permission, after, limit, s.now())
	q := decide.Question{Permission: permission, Scope: decide.AppWide}
	s.listed(&by, in, h, decisionlog.People, q, decide.None, len(list))
	return list, next, nil
}

// Nothing asks nothing: the answer tells the Environment's revision all the same.
func (s *Service) Nothing(ctx context.Context, in scope.Environment) error {
	_, err := s.fresh(ctx, in)
	return err
}

// Allowed are the keys for which Evaluate would allow as q asks, whatever permission q names,
// sorted. For who or what is unknown there are none.
func (s *Service) Allowed(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.Question,
) ([]string, error) {
	h, keys, _, _, err := s.allowed(ctx, in, q)
	if err == nil {
		q.Permission = ""
		s.listed(&by, in, h, decisionlog.Permissions, q, decide.None, len(keys))
	}
	return keys, err
}

const (
	// typesAtOnce is how many nodes one statement reads the types of.
	typesAtOnce = 500
	// mostLooked is how many nodes are looked at for one page: of a rare type it may hold
	// fewer than it could, and the next page goes on.
	mostLooked = 20 * typesAtOnce
)

// AccessibleOfType is AccessibleNodes for nodes of one type. A page that is not the last may
// hold fewer nodes than the limit, or none.
func (s *Service) AccessibleOfType(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.ReachQuery, nodeType string,
) (p decide.ReachPage, err error) {
	limit := max(q.Limit, 1)
	var snapshot *held
	var now decide.Instant
	err = s.named(ctx, in, func(h *held) error {
		snapshot, now = h, s.now()
		return nil
	}, func(tx *database.Tx) error {
		look, full := q, []id.ID(nil)
		look.Limit = typesAtOnce
		p = decide.ReachPage{}
		for looked := 0; looked < mostLooked; looked += look.Limit {
			some := snapshot.AccessibleNodes(look, now)
			p.Reason, p.Roots = some.Reason, some.Roots
			types, err := hierarchy.NamesOf(ctx, tx, in, some.Nodes)
			if err != nil {
				return err
			}
			for i, n := range some.Nodes {
				switch {
				case types[n].Type != nodeType:
				case full != nil: // one more: this page is not the last
					p.Next = full
					return nil
				default:
					if p.Nodes = append(p.Nodes, n); len(p.Nodes) == limit {
						full = snapshot.placeOf(look, i+1, now)
					}
				}
			}
			if look.After = some.Next; some.Next == nil {
				p.Next = nil
				return nil
			}
			if p.Next = full; full == nil {
				p.Next = some.Next
			}
		}
		return nil
	})
	if err == nil {
		s.reached(&by, in, snapshot, q, p)
	}
	return p, err
}

// placeOf is the Next of a page that ends behind the first n nodes of a question.
func (h *held) placeOf(q decide.ReachQuery, n int, now decide.Instant) []id.ID {
	q.Limit = n
	return h.AccessibleNodes(q, now).Next
}
