package scenario

import (
	"context"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/hierarchy"
)

// World is what an Environment's export holds: permissions, roles and nodes, and nobody. People
// and their assignments are declared by the files that ask.
//
// A node is called by the slugs on the way to it: acme/north/berlin. Further words for it are
// its names on the way, Acme/North/Berlin, and its own name and slug where no other node is
// called so. A role is called by its name.
type World struct {
	Changes []Change // what makes it
	aliases map[string][]string
}

// ReadExport reads the answer of GET …/export, or the dump in it.
func ReadExport(ctx context.Context, raw []byte) (*World, error) {
	var answer struct {
		Data jsontext.Value `json:"data"`
	}
	if json.Unmarshal(raw, &answer) == nil && answer.Data != nil {
		raw = answer.Data
	}
	content, err := dump.Parse(ctx, raw)
	if err != nil {
		return nil, err
	}
	w := &World{aliases: map[string][]string{}}
	taken := map[string]bool{}
	for _, p := range content.Permissions {
		taken[p.Key] = true
		w.Changes = append(w.Changes, PutPermission{p.Key})
	}
	for _, r := range content.Roles {
		taken[r.Name] = true
		w.Changes = append(w.Changes, PutRole{Role{
			Ref: r.Name, Name: r.Name, Active: r.Active, Permissions: r.Keys,
		}})
	}
	return w, w.addNodes(content.Nodes, taken)
}

// addNodes adds a tree, whose parents come first. taken are the names of other things.
func (w *World) addNodes(nodes []hierarchy.Node, taken map[string]bool) error {
	type way struct{ called, slugs, names string }
	ways := map[hierarchy.ID]way{}
	for _, n := range nodes {
		own := way{slugs: n.Slug, names: n.Name}
		above, known := ways[n.Parent]
		switch {
		case known:
			own.slugs, own.names = above.slugs+"/"+n.Slug, above.names+"/"+n.Name
		case !n.Parent.IsZero():
			return fmt.Errorf("the node %s lies below one that does not come before it", n.ID)
		}
		if own.called = own.slugs; taken[own.called] {
			own.called = "/" + own.slugs
		}
		ways[n.ID] = own
		w.Changes = append(w.Changes, PutNode{Node{
			ID: n.ID.Any(), Name: own.called, Parent: above.called, Active: n.Status == hierarchy.Active,
		}})
		for _, word := range []string{"/" + own.slugs, own.slugs, own.names, n.Name, n.Slug} {
			w.alias(word, own.called)
		}
	}
	return nil
}

// alias gives a node a further word.
func (w *World) alias(word, called string) {
	if !slices.Contains(w.aliases[word], called) {
		w.aliases[word] = append(w.aliases[word], called)
	}
}

// adopt takes over an exported world.
func (m *model) adopt(w *World) error {
	m.aliases = w.aliases
	for _, c := range w.Changes {
		var err error
		switch c := c.(type) {
		case PutPermission:
			err = m.called("permission", c.Key)
		case PutRole:
			_, err = m.putRole(c.Role)
		case PutNode:
			_, err = m.putNode(c.Node)
		}
		if err != nil {
			return fmt.Errorf("the export can't be told in names: %w", err)
		}
	}
	return nil
}
