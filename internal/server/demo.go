package server

import (
	"context"
	"fmt"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/tenant/application"
	"canopy.dev/canopy/internal/tenant/environment"
)

// Demo fills a new Application, for people to look around in: in its default Environment a
// tree of regions, offices and teams, permissions and roles for a company that lets
// property, people who hold them, and beside it a second Application.
func (s *Server) Demo(ctx context.Context, in scope.Application) (made Demo, err error) {
	d := &demo{
		tenant: s.tenant, people: s.people, by: principal.System(), places: map[string]hierarchy.ID{},
		persons: map[string]enduser.ID{},
	}
	if d.in, err = d.named.Default(ctx, in); err != nil {
		return made, err
	}
	for _, step := range []func(context.Context) error{d.access, d.schema, d.tree, d.team, d.second} {
		if err := step(ctx); err != nil {
			return made, fmt.Errorf("fill the demo: %w", err)
		}
	}
	draft := apikey.Draft{Name: "Demo", Mode: apikey.FullAccess}
	_, value, err := d.keys.Create(ctx, d.by, principal.Other{Actor: d.by}, d.in, draft)
	return Demo{value, d.persons["Ann"], d.persons["Ben"], d.places["Hamburg"], d.places["Berlin"]}, err
}

// Demo is what the first questions about the demo need.
type Demo struct {
	Key             secret.Token // for everything in the Environment
	Ann             enduser.ID   // manages the region North
	Ben             enduser.ID   // lets property in Berlin
	Hamburg, Berlin hierarchy.ID // offices of North, and of East
}

type demo struct {
	*tenant
	people *identity
	by     principal.Actor
	in     scope.Environment

	places  map[string]hierarchy.ID // by name
	roles   map[string]rbac.RoleID  // by name
	persons map[string]enduser.ID   // by first name
}

// access makes what may be done, and six roles that bundle it.
func (d *demo) access(ctx context.Context) error {
	role := func(name string, keys ...string) rbac.RoleDraft {
		return rbac.RoleDraft{NewRole: rbac.NewRole{Name: name}, PermissionKeys: keys}
	}
	_, err := d.tenant.access.Bootstrap(ctx, d.by, d.in, rbac.Bootstrap{
		Resources: []rbac.Resource{
			{Name: "lease", Actions: []string{"create", "read", "update", "approve", "terminate"}},
			{Name: "invoice", Actions: []string{"create", "read", "approve", "pay"}},
			{Name: "property", Actions: []string{"read", "update"}},
		},
		Roles: []rbac.RoleDraft{
			role("Regional Manager", "lease.read", "lease.approve", "lease.terminate", "invoice.read", "invoice.approve"),
			role("Office Manager", "lease.read", "lease.update", "lease.approve", "property.read", "property.update"),
			role("Leasing Agent", "lease.create", "lease.read", "lease.update", "property.read"),
			role("Accountant", "invoice.create", "invoice.read", "invoice.pay"),
			role("Auditor", "lease.read", "invoice.read", "property.read"),
			role("Viewer", "lease.read", "property.read"),
		},
	})
	return err
}

func (d *demo) schema(ctx context.Context) error {
	if _, err := d.environments.SetModel(ctx, d.by, d.in, environment.Hierarchy); err != nil {
		return err
	}
	_, err := d.tenant.tree.SetSchema(ctx, d.by, d.in, hierarchy.Schema{
		NodeTypes: []string{"company", "region", "office", "team"},
		AllowedChildren: map[string][]string{
			"company": {"region"}, "region": {"region", "office"}, "office": {"team"},
		},
		MaxDepth: 6, RootNodeType: "company",
	}, 0, func(e environment.Environment) any { return e })
	return err
}

// tree grows four regions with three offices each, and two teams in each of these.
func (d *demo) tree(ctx context.Context) error {
	root, err := d.root(ctx)
	if err != nil {
		return err
	}
	for _, region := range []struct {
		name    string
		offices []string
	}{
		{"North", []string{"Hamburg", "Kiel", "Rostock"}},
		{"South", []string{"Munich", "Stuttgart", "Freiburg"}},
		{"East", []string{"Berlin", "Dresden", "Leipzig"}},
		{"West", []string{"Cologne", "Essen", "Bonn"}},
	} {
		at, err := d.node(ctx, root, "region", region.name)
		if err != nil {
			return err
		}
		for _, name := range region.offices {
			office, err := d.node(ctx, at, "office", name)
			if err != nil {
				return err
			}
			for _, team := range []string{"Letting", "Accounts"} {
				if _, err := d.node(ctx, office, "team", team); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// root names the root after the company.
func (d *demo) root(ctx context.Context) (hierarchy.ID, error) {
	first := page.Request{Page: 1, Take: 1, Sort: hierarchy.Sorts[0]}
	rows, _, err := d.tenant.tree.Search(ctx, d.in, hierarchy.Query{Request: first, Type: "company"})
	if err != nil || len(rows) == 0 {
		return hierarchy.ID{}, err
	}
	name, slug := "Acme Realty", "acme"
	n, err := d.tenant.tree.Update(ctx, d.by, d.in, rows[0].ID, hierarchy.Change{Name: &name, Slug: &slug}, 0,
		func(n hierarchy.Node) any { return n })
	d.places[name] = n.ID
	return n.ID, err
}

func (d *demo) node(ctx context.Context, parent hierarchy.ID, nodeType, name string) (hierarchy.ID, error) {
	below := parent.String()
	n, err := d.tenant.tree.Create(ctx, d.by, d.in, hierarchy.Draft{ParentID: &below, Type: nodeType, Name: name})
	d.places[name] = n.ID
	return n.ID, err
}

func (d *demo) second(ctx context.Context) error {
	_, err := d.applications.Add(ctx, d.by, d.in.Application.Account, application.Draft{Name: "Front Desk"})
	return err
}
