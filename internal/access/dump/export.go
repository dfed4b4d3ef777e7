package dump

import (
	"context"
	"io"
	"time"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Export writes a dump of the Environment, as it is at one moment; what it takes in memory
// does not grow with the Environment. Event: environment.exported, before anything is read.
func (s *Service) Export(ctx context.Context, by principal.Actor, in scope.Environment, to io.Writer) error {
	ctx = database.Long(ctx)
	err := database.Do(ctx, s.DB, func(tx *database.Tx) error {
		e, err := environment.Find(ctx, tx, in)
		if err != nil {
			return err
		}
		return event.Record(ctx, tx, Exported, entry(by, in, e), event.None{})
	})
	if err != nil {
		return err
	}
	_, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) (struct{}, error) {
		return struct{}{}, write(ctx, tx, in, to)
	})
	return err
}

// write writes the dump of an Environment: permissions by key, roles by name, nodes in tree
// order, so that equal contents are equal dumps.
func write(ctx context.Context, tx *database.Tx, in scope.Environment, to io.Writer) error {
	e, err := environment.Find(ctx, tx, in)
	if err != nil {
		return err
	}
	w := &writer{out: to}
	w.head(in, e, tx.Now)
	w.list(`,"permissions":[`)
	err = rbac.DumpPermissions(ctx, tx, in, func(p rbac.Permission) error {
		w.next()
		w.field(`{"key":`, p.Key)
		w.field(`,"name":`, p.Name)
		w.optional(`,"description":`, p.Description)
		w.field(`,"category":`, p.Category)
		return w.end(`}`)
	})
	if err != nil {
		return err
	}
	w.list(`],"roles":[`)
	err = rbac.DumpRoles(ctx, tx, in, func(r rbac.Role, keys []string) error {
		w.next()
		w.field(`{"ref":`, r.Ref.String())
		w.field(`,"name":`, r.Name)
		w.optional(`,"description":`, r.Description)
		w.flag(`,"is_active":`, r.Active)
		w.texts(`,"permission_keys":`, keys)
		return w.end(`}`)
	})
	if err != nil {
		return err
	}
	w.list(`],"nodes":[`)
	if err := hierarchy.Dump(ctx, tx, in, func(n hierarchy.Node, _ int) error { return w.node(n) }); err != nil {
		return err
	}
	w.text(`],"oauth_clients":[],"webhooks":[]}`)
	return w.flush()
}

// head writes what comes before the lists.
func (w *writer) head(in scope.Environment, e environment.Environment, now time.Time) {
	w.text(`{"format_version":1`)
	w.field(`,"source_env":{"id":`, e.ID.String())
	w.field(`,"name":`, e.Name)
	w.field(`,"slug":`, e.Slug)
	w.field(`,"application_slug":`, in.Application.Slug)
	w.field(`,"exported_at":`, text.InstantOf(now))
	w.field(`},"access_model":`, string(e.Model))
	w.text(`,"hierarchy_schema":`)
	if e.Schema == nil {
		w.text(`{}`)
		return
	}
	w.value(e.Schema)
}

func (w *writer) node(n hierarchy.Node) error {
	w.next()
	w.field(`{"id":`, n.ID.String())
	w.field(`,"ref":`, n.Ref.String())
	if n.IsRoot() {
		w.text(`,"parent_node_id":null`)
	} else {
		w.field(`,"parent_node_id":`, n.Parent.String())
	}
	w.field(`,"node_type":`, n.Type)
	w.field(`,"name":`, n.Name)
	w.optional(`,"description":`, n.Description)
	w.field(`,"slug":`, n.Slug)
	w.field(`,"status":`, string(n.Status))
	w.text(`,"metadata":`)
	w.buf = append(w.buf, n.Metadata...)
	return w.end(`}`)
}
