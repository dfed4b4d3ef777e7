package decision

import (
	"context"
	"fmt"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/events/revision"
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
	ctx context.Context, in scope.Environment, q decide.ReachQuery,
) (decide.ReachPage, error) {
	h, err := s.fresh(ctx, in)
	if err != nil {
		return decide.ReachPage{}, err
	}
	return h.AccessibleNodes(q, s.now()), nil
}

// Who is a page of the identities that may do something at a node, with their names.
type Who struct {
	decide.WhoPage
	People map[enduser.ID]enduser.Named // those of the page
}

// WhoCan is a page of the identities for which Evaluate allows at the node, now. The names
// are of the moment of the answer.
func (s *Service) WhoCan(ctx context.Context, in scope.Environment, q decide.WhoQuery) (w Who, err error) {
	now := s.now()
	err = s.named(ctx, in, func(h *held) error {
		w.WhoPage = h.WhoCan(q, now)
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
	return w, err
}
