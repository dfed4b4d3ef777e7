package dump

import (
	"context"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/rbac"
)

// Content is the configuration that a dump holds, for who wants to know what it says and
// brings it into no Environment.
type Content struct {
	Permissions []rbac.Permission
	Roles       []RoleContent
	Nodes       []hierarchy.Node // as the dump has them: parents first
}

// RoleContent is a role with the permissions that it bundles.
type RoleContent struct {
	rbac.Role

	Keys []string
}

// Parse reads a dump. What its form and the rules of its values say is held; what its parts
// say of each other is not. Faults: environments.import_unsupported, validation, and
// environments.import_invalid for clients and webhooks.
func Parse(ctx context.Context, raw []byte) (c Content, err error) {
	b, err := read(raw, All())
	if err != nil {
		return c, err
	}
	err = b.permissions(ctx, func(p rbac.Permission) error {
		c.Permissions = append(c.Permissions, p)
		return nil
	})
	if err != nil {
		return c, err
	}
	err = b.roles(ctx, func(r rbac.Role, keys []string) error {
		c.Roles = append(c.Roles, RoleContent{r, keys})
		return nil
	})
	if err != nil {
		return c, err
	}
	return c, b.nodes(ctx, func(n hierarchy.Node) error {
		c.Nodes = append(c.Nodes, n)
		return nil
	})
}
