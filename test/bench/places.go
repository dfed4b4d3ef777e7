package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// levels is how deep the trees of the benchmark are.
const levels = 8

// grove is an instance with trees: a large one to ask about, a family of a hundred
// thousand siblings, and others beside them.
type grove struct {
	*instance
	key, wideKey string // of the large tree, and of the wide family's
	portal       string // the path of the large tree in the portal
	wide         string // that of the wide family
	rnd          *rand.Rand
	byLevel      [levels][]id.ID // of the large tree
	family       []id.ID         // of the wide one
	familyOf     id.ID
}

// benchPlaces measures trees of three sizes: reads, lists, writes, streams, and what
// slow readers and waiting writers leave to others.
func benchPlaces(ctx context.Context, o options, engine database.Engine) error {
	for _, size := range o.sizes {
		fmt.Printf("\n%d nodes, %d deep, beside 20 Environments of %d\n", size, levels, min(size, 10_000))
		g, err := newGrove(ctx, o, engine, size, 20, nil)
		if err != nil {
			return err
		}
		err = g.measure(ctx, size)
		g.close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *grove) measure(ctx context.Context, size int) error {
	for _, step := range []func(context.Context, int) error{
		g.single, g.writes, g.subtree, g.stream, g.rate, g.slowReaders, g.waitingWriters,
	} {
		if err := step(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// ask calls the public API with a key.
func (g *grove) ask(ctx context.Context, want int, key, method, path, body string) ([]byte, error) {
	own := *g.instance
	own.token = ""
	status, raw, err := own.call(ctx, method, "/api/v1"+path, body, "X-API-Key", key)
	if err == nil && status != want {
		err = fmt.Errorf("%s %s answers %d: %.300s", method, path, status, raw)
	}
	return raw, err
}

func (g *grove) some(level int) id.ID { return g.byLevel[level][g.rnd.IntN(len(g.byLevel[level]))] }

func (g *grove) print(name string, n int, fn func(k int) error) error {
	if err := fn(0); err != nil { // warms
		return fmt.Errorf("%s: %w", name, err)
	}
	t, err := rounds(n, func(k int) error { return fn(k + 1) })
	fmt.Printf("  %-46s %v\n", name, t)
	return err
}

// warm waits until searches are answered from memory: the first has the names loaded,
// beside it.
func (g *grove) warm(ctx context.Context) error {
	if err := g.must(ctx, http.StatusOK, http.MethodGet, g.wide+"/nodes/"+g.family[0].String()+"/path", ""); err != nil {
		return err
	}
	began, fast := time.Now(), 0
	for n := 1; fast < 5; n++ {
		at := time.Now()
		if err := g.must(ctx, http.StatusOK, http.MethodGet, g.portal+"/nodes/search?q=nothing-at-all", ""); err != nil {
			return err
		}
		took := time.Since(at)
		if n == 1 {
			fmt.Printf("  the first search %v\n", took.Round(time.Millisecond))
		}
		if fast++; took > warmSearch {
			fast = 0
			time.Sleep(100 * time.Millisecond)
		}
		if time.Since(began) > time.Minute {
			break
		}
	}
	fmt.Printf("  searches are answered from memory after %v\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// warmSearch is what a search takes at most that memory answers.
const warmSearch = 60 * time.Millisecond

// single asks for one node, for pages and for pieces, one call at a time.
func (g *grove) single(ctx context.Context, _ int) error {
	if err := g.warm(ctx); err != nil {
		return err
	}
	wideAt := func(offset string) string {
		return g.wide + "/nodes/" + g.familyOf.String() + "/branch?offset=" + offset
	}
	for _, q := range []struct {
		name string
		path func() string
	}{
		{"a node", func() string { return "/nodes/" + g.some(7).String() }},
		{"its ancestors", func() string { return "/nodes/" + g.some(7).String() + "/ancestors" }},
		{"a page of children", func() string { return "/nodes/" + g.some(4).String() + "/children?take=100" }},
		{"search, a name that few have", func() string {
			return "/nodes/search?q=unit-7-" + strconv.Itoa(g.rnd.IntN(1000)) + "9"
		}},
		{"search, a text that most have", func() string { return "/nodes/search?q=unit&page=40&take=100" }},
		{"search, by type", func() string { return "/nodes/search?node_type=t3&take=100" }},
		{"search, below a node", func() string { return "/nodes/search?take=100&q=9&under=" + g.some(2).String() }},
		{"search, nothing", func() string { return "/nodes/search?q=nowhere-at-all" }},
		{"roles", func() string { return "/roles" }},
		{"permissions", func() string { return "/permissions" }},
	} {
		err := g.print(q.name, pages, func(int) error {
			_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodGet, q.path(), "")
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, q := range []struct {
		name string
		path func() string
	}{
		{"branch at 50,000 of 100,000", func() string { return wideAt("50000") }},
		{"branch at 99,800 of 100,000", func() string { return wideAt("99800&limit=200") }},
		{"path beside 100,000 siblings", func() string {
			return g.wide + "/nodes/" + g.family[g.rnd.IntN(len(g.family))].String() + "/path"
		}},
		{"summary", func() string { return g.portal + "/nodes/summary" }},
	} {
		err := g.print(q.name, pages, func(int) error { return g.must(ctx, http.StatusOK, http.MethodGet, q.path(), "") })
		if err != nil {
			return err
		}
	}
	return nil
}

// writes makes, changes, moves and deletes leaves.
func (g *grove) writes(ctx context.Context, _ int) error {
	var made []string
	err := g.print("create a leaf", pages, func(k int) error {
		raw, err := g.ask(ctx, http.StatusCreated, g.key, http.MethodPost, "/nodes", fmt.Sprintf(
			`{"parent_node_id":%q,"node_type":"t8","name":"New %d"}`, g.some(6), k))
		if err != nil {
			return err
		}
		of, err := idOf(raw)
		made = append(made, of)
		return err
	})
	if err != nil {
		return err
	}
	for _, w := range []struct {
		name, method, path string
		body               func(k int) string
		want               int
	}{
		{"change it", http.MethodPatch, "", func(k int) string { return fmt.Sprintf(`{"name":"Other %d"}`, k) }, 200},
		{"move it", http.MethodPost, "/move", func(int) string {
			return fmt.Sprintf(`{"parent_node_id":%q}`, g.some(6))
		}, 200},
		{"delete it", http.MethodDelete, "", func(int) string { return "" }, 204},
	} {
		err := g.print(w.name, pages, func(k int) error {
			_, err := g.ask(ctx, w.want, g.key, w.method, "/nodes/"+made[k]+w.path, w.body(k))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func idOf(raw []byte) (string, error) {
	var a struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	return a.Data.ID, json.Unmarshal(raw, &a)
}

// subtree moves about ten thousand nodes there and back, or as many as there are below a
// node of the second level.
func (g *grove) subtree(ctx context.Context, size int) error {
	level := 1
	for level < levels-2 && float64(size)/float64(len(g.byLevel[level])) > 15_000 {
		level++
	}
	node, from := g.byLevel[level][0], g.byLevel[level-1]
	others := from
	if len(others) < 2 {
		fmt.Printf("  %-46s there is nowhere to move it\n", "move a subtree")
		return nil
	}
	below := size / len(g.byLevel[level])
	return g.print(fmt.Sprintf("move a subtree of about %d", below), 20, func(k int) error {
		_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodPost, "/nodes/"+node.String()+"/move",
			fmt.Sprintf(`{"parent_node_id":%q}`, others[(k+1)%2]))
		return err
	})
}

// stream reads the whole tree.
func (g *grove) stream(ctx context.Context, size int) error {
	before, err := g.resident()
	if err != nil {
		return err
	}
	ownBefore, err := g.own()
	if err != nil {
		return err
	}
	var most, mostOwn int64
	for range 3 {
		began := time.Now()
		first, n, err := g.readTree(ctx, g.key, 0, func() {
			if now, err := g.resident(); err == nil {
				most = max(most, now)
			}
			if now, err := g.own(); err == nil {
				mostOwn = max(mostOwn, now)
			}
		})
		if err != nil {
			return err
		}
		took := time.Since(began)
		fmt.Printf("  GET /nodes: first byte %v, %d bytes in %v, %.0f nodes/s\n",
			first.Round(time.Millisecond), n, took.Round(time.Millisecond), float64(size)/took.Seconds())
	}
	fmt.Printf("  resident: %.1f MB before, %.1f MB at most while it streams; without pages of files %.1f, %.1f MB\n",
		float64(before)/1e6, float64(most)/1e6, float64(ownBefore)/1e6, float64(mostOwn)/1e6)
	return nil
}

// readTree reads GET /nodes, with a pause after each piece.
func (g *grove) readTree(
	ctx context.Context, key string, pause time.Duration, each func(),
) (time.Duration, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, g.url+"/api/v1/nodes", http.NoBody)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("X-API-Key", key)
	req.Header.Set("Accept-Encoding", "identity")
	began := time.Now()
	res, err := new(http.Client).Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("GET /nodes answers %d", res.StatusCode)
	}
	buf, n := make([]byte, 256<<10), 0
	var first time.Duration
	for {
		m, err := res.Body.Read(buf)
		if first == 0 {
			first = time.Since(began)
		}
		n += m
		each()
		if err == io.EOF {
			return first, n, nil
		}
		if err != nil {
			return first, n, err
		}
		time.Sleep(pause)
	}
}

// rate lets clients read single nodes at once.
func (g *grove) rate(ctx context.Context, _ int) error {
	r, t, err := load(ctx, g.o.clients, g.o.duration, func(ctx context.Context, k int) error {
		of := g.byLevel[7][k%len(g.byLevel[7])]
		_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodGet, "/nodes/"+of.String(), "")
		return err
	})
	fmt.Printf("  %d clients read nodes: %.0f/s   %v\n", g.o.clients, r, t)
	return err
}

// others measures another Environment's reads while something goes on here.
func (g *grove) others(ctx context.Context, what string) error {
	return g.print("another Environment's read, "+what, pages, func(int) error {
		of := g.family[g.rnd.IntN(len(g.family))]
		_, err := g.ask(ctx, http.StatusOK, g.wideKey, http.MethodGet, "/nodes/"+of.String(), "")
		time.Sleep(2 * time.Millisecond)
		return err
	})
}

// slowReaders: eight callers read the tree slowly, four by one key and four by another.
func (g *grove) slowReaders(ctx context.Context, _ int) error {
	slow, stop := context.WithCancel(ctx)
	defer stop()
	for n := range 8 {
		key := g.key
		if n%2 == 1 {
			key = g.wideKey
		}
		go func() { _, _, _ = g.readTree(slow, key, 200*time.Millisecond, func() {}) }()
	}
	time.Sleep(500 * time.Millisecond)
	return g.others(ctx, "8 slow readers")
}

// waitingWriters: one large write, and ten that wait for it.
func (g *grove) waitingWriters(ctx context.Context, _ int) error {
	done := make(chan error, 11)
	schema := treeSchema()
	began := time.Now()
	go func() {
		other := strings.Replace(schema, `"max_depth":16`, `"max_depth":15`, 1)
		_, err := g.ask(ctx, http.StatusOK, g.key, http.MethodPatch, "/hierarchy-schema", other)
		done <- err
	}()
	time.Sleep(5 * time.Millisecond)
	for k := range 10 {
		go func() {
			_, err := g.ask(ctx, http.StatusCreated, g.key, http.MethodPost, "/roles", fmt.Sprintf(`{"name":"Waits %d"}`, k))
			done <- err
		}()
	}
	if err := g.others(ctx, "10 writers wait"); err != nil {
		return err
	}
	for range 11 {
		if err := <-done; err != nil {
			return err
		}
	}
	fmt.Printf("  the large write and the ten took %v in all\n", time.Since(began).Round(time.Millisecond))
	return nil
}

// treeSchema lets each type lie below the one before it, and below itself.
func treeSchema() string {
	var types, allowed []string
	for n := range levels + 1 {
		types = append(types, `"t`+strconv.Itoa(n)+`"`)
		below := []string{}
		for k := n + 1; k <= levels; k++ {
			below = append(below, `"t`+strconv.Itoa(k)+`"`)
		}
		allowed = append(allowed, `"t`+strconv.Itoa(n)+`":[`+strings.Join(below, ",")+`]`)
	}
	return `{"node_types":[` + strings.Join(types, ",") + `],"allowed_children":{` + strings.Join(allowed, ",") +
		`},"max_depth":16,"root_node_type":"t0"}`
}

// sizesOf are how many nodes each level of a tree has, about so many in all.
func sizesOf(size int) (list [levels]int) {
	base := math.Pow(float64(size), 1/float64(levels-1))
	for {
		total := 0
		for n := range list {
			list[n] = max(1, int(math.Pow(base, float64(n))))
			total += list[n]
		}
		if total <= size {
			list[levels-1] += size - total
			return list
		}
		base *= 0.995
	}
}
