package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// The world of people: as many as options.world says, and so many of each else in one
// Environment.
const (
	worldRoles     = 200
	worldKeys      = 500
	keysOfRole     = 25
	grantsOfPerson = 5 // the first of them at the root
)

// sheet writes rows of one table in pieces.
type sheet struct {
	tx      *database.Tx
	into    string // INSERT INTO … VALUES
	row     string // "(?, …)"
	most    int
	rows    int
	args    []any
	columns int
}

func newSheet(tx *database.Tx, engine database.Engine, table string, columns ...string) *sheet {
	most := database.Piece
	if engine == database.Postgres {
		most = 500
	}
	return &sheet{
		tx: tx, into: "INSERT INTO " + table + " (" + strings.Join(columns, ", ") + ") VALUES ",
		row: "(?" + strings.Repeat(", ?", len(columns)-1) + ")", most: most, columns: len(columns),
	}
}

func (s *sheet) add(ctx context.Context, values ...any) error {
	s.args = append(s.args, values...)
	if s.rows++; s.rows < s.most {
		return nil
	}
	return s.flush(ctx)
}

func (s *sheet) flush(ctx context.Context) error {
	if s.rows == 0 {
		return nil
	}
	_, err := s.tx.Exec(ctx, s.into+database.Rows(s.row, 0, s.rows), s.args...)
	s.args, s.rows = s.args[:0], 0
	return err
}

// crowd is a grove with people, roles and grants in its large tree.
type crowd struct {
	*grove
	size   int // nodes, and people
	roles  []id.ID
	people []id.ID
	grants []id.ID // some of them

	accountID, application, environment id.ID
}

// newCrowd makes roles by the API, and people and grants in the store.
func newCrowd(ctx context.Context, o options, engine database.Engine) (*crowd, error) {
	c := &crowd{size: o.world}
	g, err := newGrove(ctx, o, engine, o.world, 2, func(ctx context.Context, g *grove, db *database.DB) error {
		c.grove = g
		return database.Do(database.Long(ctx), db, func(tx *database.Tx) error { return c.populate(ctx, tx, db.Engine) })
	})
	c.grove = g
	if err != nil {
		return c, err
	}
	began := time.Now()
	err = c.withRoles(ctx)
	fmt.Printf("  %d permissions and %d roles by the API in %v\n", worldKeys, worldRoles,
		time.Since(began).Round(time.Millisecond))
	return c, err
}

func keyOf(n int) string { return "area" + strconv.Itoa(n%20) + ".do" + strconv.Itoa(n) }

// withRoles gives the roles, which are in the store, their permissions.
func (c *crowd) withRoles(ctx context.Context) error {
	var list []string
	for n := range worldKeys {
		list = append(list, fmt.Sprintf(`{"key":%q,"name":"Do %d","category":"area"}`, keyOf(n), n))
	}
	body := `{"permissions":[` + strings.Join(list, ",") + `]}`
	if _, err := c.ask(ctx, http.StatusCreated, c.key, http.MethodPost, "/permissions", body); err != nil {
		return err
	}
	for n, of := range c.roles {
		var keys []string
		for k := range keysOfRole {
			keys = append(keys, strconv.Quote(keyOf((n*7+k*11)%worldKeys)))
		}
		_, err := c.ask(ctx, http.StatusOK, c.key, http.MethodPut, "/roles/"+of.String()+"/permissions",
			`{"permission_keys":[`+strings.Join(keys, ",")+`]}`)
		if err != nil {
			return err
		}
	}
	return nil
}

// populate writes roles, people and their grants, and what is counted of them.
func (c *crowd) populate(ctx context.Context, tx *database.Tx, engine database.Engine) error {
	err := tx.QueryRow(ctx, `SELECT account_id, application_id, id FROM environment WHERE slug = 'development'`).
		Scan(&c.accountID, &c.application, &c.environment)
	if err != nil {
		return err
	}
	roles := newSheet(tx, engine, "role", "id", "environment_id", "name", "name_fold", "is_active", "version",
		"created_at", "updated_at")
	for n := range worldRoles {
		of := id.New[id.ID](tx.Now)
		c.roles = append(c.roles, of)
		name := fmt.Sprintf("Role %03d", n)
		if err := roles.add(ctx, of, c.environment, name, strings.ToLower(name), 1, 1, tx.Now, tx.Now); err != nil {
			return err
		}
	}
	if err := roles.flush(ctx); err != nil {
		return err
	}
	if err := c.addPeople(ctx, tx, engine); err != nil {
		return err
	}
	return c.addGrants(ctx, tx, engine)
}

func (c *crowd) addPeople(ctx context.Context, tx *database.Tx, engine database.Engine) error {
	people := newSheet(tx, engine, "identity", "id", "account_id", "email", "first_name", "last_name", "name_fold",
		"search", "is_active", "wrong_passwords", "created_at", "updated_at")
	apps := newSheet(tx, engine, "app_membership", "id", "account_id", "application_id", "identity_id", "status",
		"email", "name_fold", "search", "is_active", "activated_at", "created_at")
	members := newSheet(tx, engine, "membership", "id", "account_id", "application_id", "environment_id", "identity_id",
		"status", "email", "name_fold", "search", "is_active", "assignment_count", "activated_at", "created_at")
	var all []enduser.Identity
	for n := range c.size {
		at := tx.Now.Add(time.Duration(n-c.size) * time.Second)
		i := enduser.Identity{
			ID: id.New[enduser.ID](at), FirstName: firstNames[c.rnd.IntN(len(firstNames))],
			LastName: lastNames[c.rnd.IntN(len(lastNames))] + strconv.Itoa(n%997),
			Email:    fmt.Sprintf("person%d@%s", n, domains[n%len(domains)]), Active: n%20 != 0, CreatedAt: at,
		}
		all = append(all, i)
		c.people = append(c.people, i.ID.Any())
		err := people.add(ctx, i.ID, c.accountID, i.Email, i.FirstName, i.LastName, i.NameFold(), i.Search(), i.Active,
			0, at, at)
		if err != nil {
			return err
		}
	}
	if err := people.flush(ctx); err != nil {
		return err
	}
	for _, i := range all {
		err := apps.add(ctx, id.New[id.ID](i.CreatedAt), c.accountID, c.application, i.ID, "active", i.Email, i.NameFold(),
			i.Search(), i.Active, i.CreatedAt, i.CreatedAt)
		if err != nil {
			return err
		}
		err = members.add(ctx, id.New[id.ID](i.CreatedAt), c.accountID, c.application, c.environment, i.ID, "active",
			i.Email, i.NameFold(), i.Search(), i.Active, grantsOfPerson, i.CreatedAt, i.CreatedAt)
		if err != nil {
			return err
		}
	}
	if err := apps.flush(ctx); err != nil {
		return err
	}
	return members.flush(ctx)
}

// window of the k-th grant: of twenty, one is over, one is to come, one ends within a week.
func window(k int, now time.Time) (from, to int64) {
	from, to = math.MinInt64, math.MaxInt64
	switch k % 20 {
	case 7:
		to = now.AddDate(0, 0, -1-k%300).UnixMicro()
	case 11:
		from = now.AddDate(0, 0, 1+k%300).UnixMicro()
	case 13:
		to = now.AddDate(0, 0, 1+k%6).UnixMicro()
	}
	return from, to
}

func (c *crowd) addGrants(ctx context.Context, tx *database.Tx, engine database.Engine) error {
	grants := newSheet(tx, engine, "assignment", "id", "environment_id", "identity_id", "node_id", "role_id",
		"effective_from", "effective_to", "created_at", "updated_at")
	tally, places := map[[2]string]int{}, map[[2]id.ID]int{}
	holders := map[[2]id.ID]bool{}
	leaves := c.byLevel[levels-1]
	for k := range c.size * grantsOfPerson {
		n, nth := k%c.size, k/c.size // everybody's first at the root, then all second ones
		node, role := c.byLevel[0][0], c.roles[(n+nth*41)%worldRoles]
		if nth > 0 {
			level := c.byLevel[1+(n+nth)%(levels-1)]
			if nth > 2 {
				level = leaves
			}
			node = level[c.rnd.IntN(len(level))]
		}
		from, to := window(k, tx.Now)
		at := tx.Now.Add(time.Duration(k-c.size*grantsOfPerson) * 100 * time.Millisecond)
		of := id.New[id.ID](at)
		if k%997 == 0 {
			c.grants = append(c.grants, of)
		}
		if err := grants.add(ctx, of, c.environment, c.people[n], node, role, from, to, at, at); err != nil {
			return err
		}
		tally[[2]string{"all", ""}]++
		tally[[2]string{"role", role.String()}]++
		if from != math.MinInt64 {
			tally[[2]string{"from", time.UnixMicro(from).UTC().Format(time.DateOnly)}]++
		}
		if to != math.MaxInt64 {
			tally[[2]string{"to", time.UnixMicro(to).UTC().Format(time.DateOnly)}]++
		}
		if held := [2]id.ID{role, c.people[n]}; !holders[held] {
			holders[held] = true
			tally[[2]string{"members", role.String()}]++
		}
		places[[2]id.ID{node, role}]++
	}
	if err := grants.flush(ctx); err != nil {
		return err
	}
	numbers := newSheet(tx, engine, "assignment_tally", "environment_id", "kind", "item", "n")
	for of, n := range tally {
		if err := numbers.add(ctx, c.environment, of[0], of[1], n); err != nil {
			return err
		}
	}
	at := newSheet(tx, engine, "assignment_place", "environment_id", "node_id", "role_id", "n")
	for of, n := range places {
		if err := at.add(ctx, c.environment, of[0], of[1], n); err != nil {
			return err
		}
	}
	if err := numbers.flush(ctx); err != nil {
		return err
	}
	return at.flush(ctx)
}

// idsOf reads the ids of the rows of a bulk answer that came out well.
func idsOf(raw []byte) (list []string, err error) {
	var a struct {
		Results []struct {
			Status string `json:"status"`
			Data   struct {
				ID string `json:"id"`
			} `json:"data"`
		} `json:"results"`
	}
	err = json.Unmarshal(raw, &a)
	for _, r := range a.Results {
		if r.Status == "success" {
			list = append(list, r.Data.ID)
		}
	}
	return list, err
}
