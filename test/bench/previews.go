package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json"
)

// previews asks what changes would do to access: of thousands of people, at a thousand nodes.
func (c *crowd) previews(ctx context.Context) error {
	root, node := c.byLevel[0][0], func(k int) string { return c.byLevel[3][k%len(c.byLevel[3])].String() }
	other := func(k int) string { return c.byLevel[2][k*7%len(c.byLevel[2])].String() }
	for _, q := range []struct {
		name   string
		change func(k int) string
	}{
		{"move 700 nodes to the root", func(k int) string {
			return fmt.Sprintf(`{"kind":"node.move","node_ids":[%q],"parent_node_id":%q}`, node(k), root)
		}},
		{"move 700 nodes elsewhere", func(k int) string {
			return fmt.Sprintf(`{"kind":"node.move","node_ids":[%q],"parent_node_id":%q}`, node(k), other(k+1))
		}},
		{"switch 700 nodes off", func(k int) string {
			return fmt.Sprintf(`{"kind":"node.status","node_ids":[%q],"status":"inactive"}`, node(k))
		}},
		{"delete 700 nodes", func(k int) string { return fmt.Sprintf(`{"kind":"node.delete","node_ids":[%q]}`, node(k)) }},
		{"delete 20,000 nodes", func(int) string {
			return fmt.Sprintf(`{"kind":"node.delete","node_ids":[%q]}`, c.byLevel[1][0])
		}},
		{"switch a role off", func(k int) string {
			return fmt.Sprintf(`{"kind":"role.status","role_id":%q,"is_active":false}`, c.roles[k%worldRoles])
		}},
		{"delete a role", func(k int) string {
			return fmt.Sprintf(`{"kind":"role.delete","role_id":%q}`, c.roles[k%worldRoles])
		}},
		{"remove a person", func(int) string {
			return fmt.Sprintf(`{"kind":"identity.remove","identity_ids":[%q]}`, c.someone())
		}},
		{"make it flat", func(int) string { return `{"kind":"environment.revert_to_flat"}` }},
	} {
		if err := c.preview(ctx, q.name, q.change); err != nil {
			return err
		}
	}
	return nil
}

// preview asks for the first pages and for second ones.
func (c *crowd) preview(ctx context.Context, name string, change func(k int) string) error {
	var second []string
	var told string
	ask := func(body string) (next *string, err error) {
		status, raw, err := c.call(ctx, http.MethodPost, c.portal+"/access-preview", body)
		if err != nil || status != http.StatusOK {
			return nil, fmt.Errorf("%s answers %d %s: %w", name, status, raw, err)
		}
		var a struct {
			Summary *struct {
				Gaining  int  `json:"gaining"`
				Losing   int  `json:"losing"`
				Complete bool `json:"complete"`
				Nodes    int  `json:"nodes"`
			} `json:"summary"`
			Pagination struct {
				Next *string `json:"next_cursor"`
			} `json:"pagination"`
		}
		err = json.Unmarshal(raw, &a)
		if s := a.Summary; s != nil {
			told = fmt.Sprintf("%d gain, %d lose, complete %v, %d nodes", s.Gaining, s.Losing, s.Complete, s.Nodes)
		}
		return a.Pagination.Next, err
	}
	err := c.print("preview: "+name, 20, func(k int) error {
		next, err := ask(`{"change":` + change(k) + `}`)
		if next != nil {
			second = append(second, fmt.Sprintf(`{"change":%s,"cursor":%q}`, change(k), *next))
		}
		return err
	})
	fmt.Printf("  %-46s %s\n", "", told)
	if err != nil || len(second) < 2 {
		return err
	}
	return c.print("  its second page", len(second)-1, func(k int) error {
		_, err := ask(second[k])
		return err
	})
}
