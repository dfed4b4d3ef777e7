package dump

import (
	"context"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// source is what a dump says, whether it came as one or is read from an Environment. Its
// lists can be read more than once, and say the same each time; none is held.
type source interface {
	// head is what comes before the lists.
	head() head
	permissions(ctx context.Context, each func(rbac.Permission) error) error
	roles(ctx context.Context, each func(r rbac.Role, keys []string) error) error
	// nodes gives nodes in no order. One without a good ref has a zero one, and one without a
	// parent a zero parent: it is the root.
	nodes(ctx context.Context, each func(hierarchy.Node) error) error
}

type head struct {
	from     Source
	model    environment.Model
	schema   *environment.Schema // nil: none
	metadata jsontext.Value      // of the caller, nil for none
}

// stored is a source that is an Environment of this store, as a transaction sees it.
type stored struct {
	tx *database.Tx
	in scope.Environment
	e  environment.Environment
}

func (s *stored) head() head {
	return head{
		from: Source{
			ID: s.e.ID.String(), Name: s.e.Name, Slug: s.e.Slug, ApplicationSlug: s.in.Application.Slug,
			ExportedAt: text.InstantOf(s.tx.Now),
		},
		model: s.e.Model, schema: s.e.Schema,
	}
}

func (s *stored) permissions(ctx context.Context, each func(rbac.Permission) error) error {
	return rbac.DumpPermissions(ctx, s.tx, s.in, each)
}

func (s *stored) roles(ctx context.Context, each func(rbac.Role, []string) error) error {
	return rbac.DumpRoles(ctx, s.tx, s.in, each)
}

func (s *stored) nodes(ctx context.Context, each func(hierarchy.Node) error) error {
	apart, err := hierarchy.Apart(ctx, s.tx, s.in)
	if err != nil {
		return err
	}
	return hierarchy.EachNode(ctx, s.tx, s.in, func(n hierarchy.Node) error {
		if apart[n.ID] {
			return nil
		}
		return each(n)
	})
}
