package serverbench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide/decidebench"
)

// moved is about how many nodes the previewed move is to concern.
const moved = 1000

// previews asks what the move of a part of the tree would do, by which everybody loses or gains:
// half of the people have a role above it, half where it would go. It is the last that is done
// to a store, as those roles stay.
func (b *bench) previews(ctx context.Context, s *stand) error {
	node, size := decidebench.Subtree(s.parents, moved)
	to := decidebench.Elsewhere(s.parents, node)
	var rows []object
	for n, who := range s.people {
		at := s.parents[node]
		if n%2 == 1 {
			at = to
		}
		rows = append(rows, object{"identity_id": who, "node_id": s.nodes[at], "role_id": s.roles[n%len(s.roles)]})
	}
	if err := s.assign(ctx, rows); err != nil {
		return err
	}
	change := object{"kind": "node.move", "node_ids": []any{s.nodes[node]}, "parent_node_id": s.nodes[to]}
	var first struct {
		Summary struct {
			Gaining int `json:"gaining"`
			Losing  int `json:"losing"`
		} `json:"summary"`
		Pagination struct {
			Next string `json:"next_cursor"`
		} `json:"pagination"`
	}
	path := s.environment + "/access-preview"
	if err := s.call(ctx, http.MethodPost, path, object{"change": change}, &first); err != nil {
		return err
	}
	b.logf("%s: previewing a move by which %d gain and %d lose", s.engine, first.Summary.Gaining, first.Summary.Losing)
	pages := []struct {
		name string
		body object
	}{
		{"first page", object{"change": change}},
		{"further page", object{"change": change, "cursor": first.Pagination.Next}},
	}
	if first.Pagination.Next == "" {
		pages = pages[:1]
	}
	for _, page := range pages {
		body, err := json.Marshal(page.body)
		if err != nil {
			return err
		}
		one := request(http.MethodPost, s.addr, path, "Authorization: Bearer "+s.token, string(body))
		m, err := load{s.addr, []string{one}}.flood(ctx, 1, time.Duration(b.o.Turns)*b.o.Duration)
		if err != nil {
			return fmt.Errorf("preview, %s: %w", page.name, err)
		}
		b.report.Rows = append(b.report.Rows, Row{
			Name: fmt.Sprintf("%s: preview of moving %d nodes, %s", s.engine, size, page.name), Clients: 1,
			PerSecond: m.rate, P50: m.times.at(0.5), P99: m.times.at(0.99),
		})
	}
	return nil
}
