package decision

import (
	"context"
	"fmt"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// sameMoments is how often names of the moment of an answer are tried to be read.
const sameMoments = 10

// named answers from a snapshot, and then reads the names of what was answered. They are of
// the same moment, or the question is asked again.
func (s *Service) named(
	ctx context.Context, in scope.Environment, answer func(h *held) error, read func(tx *database.Tx) error,
) error {
	for range sameMoments {
		h, err := s.fresh(ctx, in)
		if err != nil {
			return err
		}
		if err := answer(h); err != nil {
			return err
		}
		same, err := environment.Read(ctx, s.DB, in, func(tx *database.Tx, at revision.At) (bool, error) {
			return at == h.at, read(tx)
		})
		if err != nil || same {
			return err
		}
	}
	return fmt.Errorf("%w: the Environment does not stand still", database.ErrSlow)
}

// AccessibleNodes is a page of the live nodes at which Evaluate allows, now. For who is
// denied everywhere it says why, as Evaluate says it of anywhere.
func (s *Service) AccessibleNodes(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.ReachQuery,
) (decide.ReachPage, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return decide.ReachPage{}, err
	}
	p := h.AccessibleNodes(q, s.now())
	s.reached(&by, in, h, q, p)
	return p, nil
}

// reached notes a page of nodes.
func (s *Service) reached(
	by *principal.Actor, in scope.Environment, h *held, q decide.ReachQuery, p decide.ReachPage,
) {
	asked := decide.Question{Identity: q.Identity, Permission: q.Permission, Scope: decide.AppWide}
	s.listed(by, in, h, decisionlog.Nodes, asked, p.Reason, len(p.Nodes))
}

// Who is a page of the identities that may do something at a node, with their names.
type Who struct {
	decide.WhoPage
	People map[enduser.ID]enduser.Named // those of the page
}

// WhoCan is a page of the identities for which Evaluate allows at the node, now. The names
// are of the moment of the answer.
func (s *Service) WhoCan(
	ctx context.Context, by principal.Actor, in scope.Environment, q decide.WhoQuery,
) (w Who, err error) {
	var asked *held
	err = s.named(ctx, in, func(h *held) error {
		asked, w.WhoPage = h, h.WhoCan(q, s.now())
		return nil
	}, func(tx *database.Tx) error {
		ids := make([]enduser.ID, len(w.Holders))
		for i, h := range w.Holders {
			ids[i] = enduser.ID(h.Identity)
		}
		list, err := enduser.NamedOf(ctx, tx, in.Application.Account.ID, ids)
		w.People = make(map[enduser.ID]enduser.Named, len(list))
		for _, n := range list {
			w.People[n.ID] = n
		}
		return err
	})
	if err == nil {
		s.holding(&by, in, asked, q, w.WhoPage)
	}
	return w, err
}

// holding notes a page of people.
func (s *Service) holding(
	by *principal.Actor, in scope.Environment, h *held, q decide.WhoQuery, p decide.WhoPage,
) {
	asked := decide.Question{Permission: q.Permission, Scope: decide.AtNode, Node: q.Node}
	s.listed(by, in, h, decisionlog.People, asked, p.Reason, len(p.Holders))
}
