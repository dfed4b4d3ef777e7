package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// benchPeople measures a world of people with their grants: the first decision, lists and
// counts, writes one by one and in bulk, and imports beside others.
func benchPeople(ctx context.Context, o options, engine database.Engine) error {
	fmt.Printf("\n%d nodes, %d people, %d roles, %d assignments of which %d at the root\n",
		o.world, o.world, worldRoles, o.world*grantsOfPerson, o.world)
	c, err := newCrowd(ctx, o, engine)
	if c.grove != nil && c.instance != nil {
		defer c.close()
	}
	if err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"cold", c.cold},
		{"reads", c.reads},
		{"lists", c.lists},
		{"writes", c.writes},
		{"several", c.several},
		{"imports", c.imports},
	} {
		if len(o.steps) > 0 && !o.steps[step.name] {
			continue
		}
		if err := step.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (c *crowd) someone() id.ID { return c.people[c.rnd.IntN(len(c.people))] }

func (c *crowd) anywhere() id.ID { return c.some(1 + c.rnd.IntN(levels-1)) }

func (c *crowd) question() string {
	return fmt.Sprintf(`{"identity_id":%q,"permission":%q,"scope":"node","node_id":%q}`,
		c.someone(), keyOf(c.rnd.IntN(worldKeys)), c.anywhere())
}

// decide asks one question.
func (c *crowd) decide(ctx context.Context, key, body string) error {
	_, err := c.ask(ctx, http.StatusOK, key, http.MethodPost, "/permissions/evaluate", body)
	return err
}

// cold starts the server anew and asks: the first decision of the large Environment, while
// another Environment's decisions go on.
func (c *crowd) cold(ctx context.Context) error {
	elsewhere := fmt.Sprintf(`{"identity_id":%q,"permission":"any","scope":"app_wide"}`, c.someone())
	for range 3 {
		c.stop()
		if _, err := c.start(ctx); err != nil {
			return err
		}
		if err := c.decide(ctx, c.wideKey, elsewhere); err != nil {
			return err
		}
		calm, err := rounds(100, func(int) error { return c.decide(ctx, c.wideKey, elsewhere) })
		if err != nil {
			return err
		}
		done := make(chan error, 1)
		began := time.Now()
		var took time.Duration
		go func() {
			err := c.decide(ctx, c.key, c.question())
			took = time.Since(began)
			done <- err
		}()
		var beside times
		for over := false; !over; {
			select {
			case err = <-done:
				over = true
			default:
				at := time.Now()
				err = c.decide(ctx, c.wideKey, elsewhere)
				beside = append(beside, time.Since(at))
				time.Sleep(2 * time.Millisecond)
			}
			if err != nil {
				return err
			}
		}
		fmt.Printf("  %-46s %v\n", "the first decision", took.Round(time.Millisecond))
		fmt.Printf("  %-46s %v\n", "another Environment's decisions, before", calm)
		fmt.Printf("  %-46s %v\n", "another Environment's decisions, meanwhile", beside)
	}
	c.printMemory(ctx)
	return c.signIn(ctx)
}

// printMemory tells what the server takes with the Environment loaded: at once, and when the
// memory of the load has gone back to the system.
func (c *crowd) printMemory(ctx context.Context) {
	peak, _ := c.memory("VmHWM:")
	first, _ := c.own()
	own := first
	for settled := 0; settled < 10 && ctx.Err() == nil; {
		time.Sleep(time.Second)
		now, _ := c.own()
		if settled++; now < own-own/100 {
			settled = 0
		}
		own = now
	}
	all, _ := c.resident()
	fmt.Printf("  memory with the Environment loaded: own %.0f MB, settled %.0f MB; all %.0f MB, at most %.0f MB\n",
		float64(first)/1e6, float64(own)/1e6, float64(all)/1e6, float64(peak)/1e6)
}

// asked is one kind of GET.
type asked struct {
	name   string
	portal bool
	path   func() string
}

func (c *crowd) get(ctx context.Context, list []asked) error {
	for _, q := range list {
		err := c.print(q.name, pages, func(int) error {
			if q.portal {
				return c.must(ctx, http.StatusOK, http.MethodGet, q.path(), "")
			}
			_, err := c.ask(ctx, http.StatusOK, c.key, http.MethodGet, q.path(), "")
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// reads asks for single rows and single trees.
func (c *crowd) reads(ctx context.Context) error {
	person := func(more string) func() string {
		return func() string { return "/identities/" + c.someone().String() + more }
	}
	return c.get(ctx, []asked{
		{"an identity", false, person("")},
		{"its detail", false, person("/detail")},
		{"its assignments", false, person("/assignments")},
		{"its auth state", false, person("/auth-state")},
		{"its permissions", false, person("/permissions")},
		{"its grants", false, person("/grants")},
		{"a node", false, func() string { return "/nodes/" + c.some(7).String() }},
		{"a page of children", false, func() string { return "/nodes/" + c.some(4).String() + "/children?take=100" }},
		{"branch of the root", true, func() string { return c.portal + "/nodes/" + c.byLevel[0][0].String() + "/branch" }},
		{"branch below", true, func() string { return c.portal + "/nodes/" + c.some(4).String() + "/branch" }},
		{"who has access at a node, in numbers", false, func() string {
			return "/nodes/" + c.some(7).String() + "/identities/summary"
		}},
		{"who has access at the root, in numbers", false, func() string {
			return "/nodes/" + c.byLevel[0][0].String() + "/identities/summary"
		}},
		{"assignments in numbers", false, func() string { return "/assignments/app-wide/summary" }},
		{"identities in numbers", false, func() string { return "/identities/summary" }},
		{"roles with numbers of members", false, func() string { return "/roles" }},
		{"usage of a permission by name", true, func() string { return c.portal + "/permissions?source=custom" }},
	})
}

// lists asks for the first and the hundredth page of every list, by filter and order.
func (c *crowd) lists(ctx context.Context) error {
	role := c.roles[17].String()
	people := []string{
		"", "status=inactive", "q=garc", "q=person777", "q=nobody-at-all", "sort_by=email", "sort_by=name",
		"sort_by=name&order=desc", "q=garc&sort_by=name", "status=active&sort_by=email",
	}
	root := c.byLevel[0][0].String()
	grants := []string{
		"", "role_id=" + role, "status=active", "status=expired", "status=scheduled",
		"identity_id=" + c.someone().String(), "source_node_id=" + root, "q=garc", "q=person777", "q=nobody-at-all",
		"sort_by=name", "sort_by=role", "sort_by=effective_to", "role_id=" + role + "&status=active",
		"status=active&source_node_id=" + root, "status=active&q=garc&sort_by=name",
		"status=active&expires_before=" + time.Now().AddDate(0, 0, 7).UTC().Format("2006-01-02T15:04:05.000Z"),
		"under_node_id=" + c.byLevel[3][0].String(), "under_node_id=" + c.byLevel[3][0].String() + "&q=garc&sort_by=name",
	}
	here := []string{
		"", "role_id=" + role, "status=active", "q=garc", "access_type=direct", "access_type=inherited", "sort_by=role",
		"sort_by=created_at", "sort_by=access_type", "source_node_id=" + root,
	}
	directory := c.account("/identities")
	var list []asked
	add := func(name, path string, portal bool, queries []string) {
		for _, q := range queries {
			for _, at := range []string{"1", "100"} {
				full := path + "?take=50&page=" + at + "&" + q
				list = append(list, asked{
					fmt.Sprintf("%s, %s, page %s", name, short(q), at), portal, func() string { return full },
				})
			}
		}
	}
	add("identities", "/identities", false, people)
	add("with roles", "/identities/with-roles", false, append(people[:6:6], "role_id="+role, "role_id=no_assignment",
		"role_id="+role+"&q=garc&sort_by=name"))
	add("directory", directory, true, append(people[:6:6], "has_any_assignment=true", "has_any_assignment=false",
		"not_in_app=lease-desk"))
	add("assignments", "/assignments/app-wide", false, grants)
	add("at a leaf", "/nodes/"+c.some(7).String()+"/identities", false, here)
	add("at the root", "/nodes/"+root+"/identities", false, here)
	return c.get(ctx, list)
}

// short is a query as figures show it.
func short(q string) string {
	if q == "" {
		return "all"
	}
	parts := strings.Split(q, "&")
	for i, p := range parts {
		name, value, _ := strings.Cut(p, "=")
		if len(value) > 20 {
			parts[i] = name
		}
	}
	return strings.Join(parts, " ")
}

// writes gives, changes and takes single assignments, and asks right after each.
func (c *crowd) writes(ctx context.Context) error {
	var made []string
	role := func(k int) id.ID { return c.roles[(k*3+1)%worldRoles] }
	give := func(k int) string {
		return fmt.Sprintf(`{"identity_id":%q,"node_id":%q,"role_id":%q}`, c.someone(), c.some(7), role(k))
	}
	steps := []struct {
		name string
		run  func(k int) error
	}{
		{"give a role", func(k int) error {
			raw, err := c.ask(ctx, http.StatusCreated, c.key, http.MethodPost, "/assignments", give(k))
			if err != nil {
				return err
			}
			of, err := idOf(raw)
			made = append(made, of)
			return err
		}},
		{"change its window", func(k int) error {
			_, err := c.ask(ctx, http.StatusOK, c.key, http.MethodPatch, "/assignments/"+made[k],
				fmt.Sprintf(`{"role_id":%q,"effective_to":"2099-01-0%dT00:00:00.000Z"}`, role(k), 1+k%9))
			return err
		}},
		{"take it back", func(k int) error {
			_, err := c.ask(ctx, http.StatusNoContent, c.key, http.MethodDelete, "/assignments/"+made[k], "")
			return err
		}},
		{"switch a person off and on", func(k int) error {
			what := "/deactivate"
			if k%2 == 1 {
				what = "/activate"
			}
			_, err := c.ask(ctx, http.StatusOK, c.key, http.MethodPost, "/identities/"+c.people[7].String()+what, "")
			return err
		}},
		{"create an identity", func(k int) error {
			_, err := c.ask(ctx, http.StatusCreated, c.key, http.MethodPost, "/identities",
				fmt.Sprintf(`{"email":"one%d@new.test","first_name":"New","last_name":"Person"}`, k))
			return err
		}},
	}
	for _, s := range steps {
		if err := c.print(s.name, pages, s.run); err != nil {
			return err
		}
	}
	return nil
}

// several creates in bulk, and takes back.
func (c *crowd) several(ctx context.Context) error {
	err := c.print("create 200 identities", 10, func(k int) error {
		var rows []string
		for n := range 200 {
			rows = append(rows, fmt.Sprintf(`{"email":"b%d-%d@new.test","first_name":"New","last_name":"Person"}`, k, n))
		}
		_, err := c.ask(ctx, http.StatusOK, c.key, http.MethodPost, "/identities/bulk-create",
			`{"identities":[`+strings.Join(rows, ",")+`]}`)
		return err
	})
	if err != nil {
		return err
	}
	var made [][]string
	err = c.print("create 1,000 assignments", 10, func(k int) error {
		var rows []string
		for n := range 1000 {
			rows = append(rows, fmt.Sprintf(`{"identity_id":%q,"node_id":%q,"role_id":%q}`,
				c.people[(k*1000+n)%c.size], c.byLevel[levels-1][(k*1000+n*7)%len(c.byLevel[levels-1])],
				c.roles[(k+n)%worldRoles]))
		}
		raw, err := c.ask(ctx, http.StatusOK, c.key, http.MethodPost, "/assignments/bulk-create",
			`{"assignments":[`+strings.Join(rows, ",")+`]}`)
		if err != nil {
			return err
		}
		ids, err := idsOf(raw)
		made = append(made, ids)
		return err
	})
	if err != nil {
		return err
	}
	return c.print("take 1,000 assignments back", 10, func(k int) error {
		if k >= len(made) {
			return nil
		}
		for i, of := range made[k] {
			made[k][i] = strconv.Quote(of)
		}
		_, err := c.ask(ctx, http.StatusNoContent, c.key, http.MethodPost, "/assignments/bulk-remove",
			`{"assignment_ids":[`+strings.Join(made[k], ",")+`]}`)
		return err
	})
}
