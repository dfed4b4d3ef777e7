package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
)

// imports replaces an Environment by dumps of two sizes, while others read, decide and write.
func (c *crowd) imports(ctx context.Context) error {
	at := c.account("/applications/lease-desk/environments/other-0")
	target, err := c.prepareTarget(ctx, at)
	if err != nil {
		return err
	}
	for _, size := range []int{10_000, 200_000} {
		body := dumpOf(size)
		if err := c.importBeside(ctx, at, target, body, size); err != nil {
			return err
		}
	}
	return nil
}

// target is what is asked of an Environment that is replaced.
type target struct {
	key, root, person string
}

func (c *crowd) prepareTarget(ctx context.Context, at string) (t target, err error) {
	_, raw, err := c.call(ctx, http.MethodPost, at+"/api-keys", `{"name":"Beside","access_mode":"full_access"}`)
	if err != nil {
		return t, err
	}
	_, rest, _ := strings.Cut(string(raw), `"key":"`)
	t.key, _, _ = strings.Cut(rest, `"`)
	raw, err = c.ask(ctx, http.StatusCreated, t.key, http.MethodPost, "/identities",
		`{"email":"beside@new.test","first_name":"Be","last_name":"Side"}`)
	if err != nil {
		return t, err
	}
	if t.person, err = idOf(raw); err != nil {
		return t, err
	}
	raw, err = c.ask(ctx, http.StatusOK, t.key, http.MethodGet, "/nodes?depth=1", "")
	if err != nil {
		return t, err
	}
	var answer struct {
		Data struct {
			Tree []struct {
				ID string `json:"id"`
			} `json:"tree"`
		} `json:"data"`
	}
	if err := json.Unmarshal(raw, &answer); err != nil || len(answer.Data.Tree) == 0 {
		return t, fmt.Errorf("the root of the target: %.200s: %w", raw, err)
	}
	t.root = answer.Data.Tree[0].ID
	return t, nil
}

// beside is what goes on while an import runs.
type beside struct {
	name string
	ask  func(k int) error
	took times
}

func (c *crowd) besides(ctx context.Context, t target) []*beside {
	get := func(key, path string) error {
		_, err := c.ask(ctx, http.StatusOK, key, http.MethodGet, path, "")
		return err
	}
	list := []*beside{
		{name: "a read there", ask: func(int) error { return get(t.key, "/nodes/"+t.root) }},
		{name: "a decision there", ask: func(int) error {
			return c.decide(ctx, t.key, fmt.Sprintf(`{"identity_id":%q,"permission":"any","scope":"app_wide"}`, t.person))
		}},
		{name: "a read elsewhere", ask: func(int) error { return get(c.key, "/nodes/"+c.some(7).String()) }},
		{name: "a decision elsewhere", ask: func(int) error { return c.decide(ctx, c.key, c.question()) }},
	}
	if !strings.HasPrefix(c.dbURL, "sqlite:") { // there all writes wait
		list = append(list,
			&beside{name: "a write elsewhere", ask: func(k int) error {
				_, err := c.ask(ctx, http.StatusOK, c.wideKey, http.MethodPatch, "/nodes/"+c.family[7].String(),
					fmt.Sprintf(`{"name":"Beside %d"}`, k))
				return err
			}},
			&beside{name: "switching a person off and on", ask: func(k int) error {
				what := "/deactivate"
				if k%2 == 1 {
					what = "/activate"
				}
				_, err := c.ask(ctx, http.StatusOK, t.key, http.MethodPost, "/identities/"+t.person+what, "")
				return err
			}})
	}
	return list
}

func (c *crowd) importBeside(ctx context.Context, at string, t target, body string, size int) error {
	before, during := c.besides(ctx, t), c.besides(ctx, t)
	for k := range 300 {
		if err := round(before, k); err != nil {
			return err
		}
	}
	var wg sync.WaitGroup
	var imported error
	var took time.Duration
	done := make(chan struct{})
	wg.Go(func() {
		defer close(done)
		began := time.Now()
		own := *c.instance
		own.http = &http.Client{Timeout: 10 * time.Minute}
		var status int
		var raw []byte
		status, raw, imported = own.call(ctx, http.MethodPost, at+"/import", body)
		if took = time.Since(began); imported == nil && status != http.StatusOK {
			imported = fmt.Errorf("the import answers %d: %.300s", status, raw)
		}
	})
	var err error
	for k, over := 0, false; !over && err == nil; k++ {
		select {
		case <-done:
			over = true
		default:
			err = round(during, k)
		}
	}
	wg.Wait()
	fmt.Printf("  import of %d nodes, %.1f MB: %v\n", size, float64(len(body))/1e6, took.Round(10*time.Millisecond))
	for n := range before {
		fmt.Printf("    %-44s before   %v\n    %-44s meanwhile %v\n", before[n].name, before[n].took, "", during[n].took)
	}
	if imported != nil {
		return imported
	}
	return err
}

func round(list []*beside, k int) error {
	for _, b := range list {
		began := time.Now()
		if err := b.ask(k); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		b.took = append(b.took, time.Since(began))
		time.Sleep(time.Millisecond)
	}
	return nil
}

// dumpOf is a dump with a tree of so many nodes.
func dumpOf(size int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"format_version":1,"source_env":{"id":%q,"name":"Made","slug":"made",`+
		`"application_slug":"lease-desk","exported_at":"2026-05-02T10:00:00.000Z"},`+
		`"access_model":"hierarchy","hierarchy_schema":%s,`+
		`"permissions":[{"key":"made.up","name":"Made up","description":null,"category":"made"}],`+
		`"roles":[{"name":"Made","description":null,"is_active":true,"permission_keys":["made.up"]}],"nodes":[`,
		id.New[id.ID](time.Now()), treeSchema())
	above := []id.ID{id.New[id.ID](time.Now())}
	node := func(of id.ID, parent, nodeType, name, slug string) {
		fmt.Fprintf(&b, `{"id":%q,"ref":%q,"parent_node_id":%s,"node_type":%q,"name":%q,"description":null,"slug":%q,`+
			`"status":"active","metadata":{}}`, of, of, parent, nodeType, name, slug)
	}
	node(above[0], "null", "t0", "Made", "made")
	sizes := sizesOf(size)
	for n := 1; n < levels; n++ {
		level := make([]id.ID, sizes[n])
		for k := range level {
			level[k] = id.New[id.ID](time.Now())
			b.WriteByte(',')
			name := fmt.Sprintf("Unit-%d-%d", n, k)
			parent := fmt.Sprintf("%q", above[k*len(above)/len(level)])
			node(level[k], parent, fmt.Sprintf("t%d", n), name, strings.ToLower(name))
		}
		above = level
	}
	b.WriteString(`],"oauth_clients":[],"webhooks":[]}`)
	return b.String()
}
