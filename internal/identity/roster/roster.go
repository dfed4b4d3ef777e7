package roster

import (
	"context"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/platform/database"
)

// Service holds the reads. It is safe for concurrent use.
type Service struct{ DB *database.DB }

// Holder is an identity with what it holds in an Environment: at most assignment.MostHeld
// assignments of Count, by the names of role and node.
type Holder struct {
	enduser.Identity
	Roles []assignment.Held
	Count int
}

// Holders gives one page of the place's members with what they hold: from an Application in
// its default Environment.
func (s *Service) Holders(
	ctx context.Context, at membership.Place, q membership.Query,
) (list []Holder, info page.Info, err error) {
	list, err = membership.Read(ctx, s.DB, at, func(tx *database.Tx) ([]Holder, error) {
		found, pages, err := at.Members(ctx, tx, q)
		if err != nil {
			return nil, err
		}
		info = pages
		return holders(ctx, tx, at, found)
	})
	return list, info, err
}

// Detail is one member with what it holds. Fault: identities.not_found.
func (s *Service) Detail(ctx context.Context, at membership.Place, who enduser.ID) (Holder, error) {
	return membership.Read(ctx, s.DB, at, func(tx *database.Tx) (Holder, error) {
		i, err := at.Find(ctx, tx, who)
		if err != nil {
			return Holder{}, err
		}
		list, err := holders(ctx, tx, at, []enduser.Identity{i})
		if err != nil {
			return Holder{}, err
		}
		return list[0], nil
	})
}

func holders(
	ctx context.Context, tx *database.Tx, at membership.Place, of []enduser.Identity,
) ([]Holder, error) {
	ids := make([]enduser.ID, len(of))
	for i, one := range of {
		ids[i] = one.ID
	}
	in, _ := at.Environment()
	held, err := assignment.HeldBy(ctx, tx, in, ids)
	if err != nil {
		return nil, err
	}
	counts, err := membership.Assignments(ctx, tx, in, ids)
	list := make([]Holder, len(of))
	for i, one := range of {
		list[i] = Holder{one, held[one.ID], counts[one.ID]}
	}
	return list, err
}

// Assignments gives one page of what a member holds, sorted by one of
// assignment.OfIdentitySorts: from an Application in its default Environment. Fault:
// identities.not_found.
func (s *Service) Assignments(
	ctx context.Context, at membership.Place, who enduser.ID, r page.Request,
) (list []assignment.Assignment, info page.Info, err error) {
	list, err = membership.Read(ctx, s.DB, at, func(tx *database.Tx) ([]assignment.Assignment, error) {
		if _, err := at.Find(ctx, tx, who); err != nil {
			return nil, err
		}
		in, _ := at.Environment()
		found, pages, err := assignment.OfIdentity(ctx, tx, in, who, r)
		info = pages
		return found, err
	})
	return list, info, err
}
