package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
)

// feedEvents are in the feed that is read.
const feedEvents = 100_000

// benchFeed has readers follow a feed from its beginning, over HTTP: that of an Environment, and
// that of its Account, the first reader of which gives the rows their order.
func benchFeed(ctx context.Context, o options, engine database.Engine) error {
	var account, environment id.ID
	g, err := newGrove(ctx, o, engine, 1000, 0, func(ctx context.Context, _ *grove, db *database.DB) error {
		err := db.Pool().QueryRowContext(ctx, `SELECT account_id, environment_id FROM audit_event
			WHERE action = 'hierarchy_schema.updated' LIMIT 1`).Scan(&account, &environment)
		if err != nil {
			return err
		}
		for _, statement := range plantingFeed(engine) {
			_, err := db.Pool().ExecContext(database.Long(ctx), statement, account.String(), environment.String(), feedEvents,
				db.Now().UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	defer g.close()
	within := g.portal + "/changes"
	for _, r := range []struct {
		name, path string
		readers    int
	}{
		{"of the Account, sealing", g.account("/changes"), 1},
		{"of the Account", g.account("/changes"), 1},
		{"of an Environment", within, 1},
		{"of the Account", g.account("/changes"), 4},
		{"of an Environment", within, 4},
	} {
		began, all := time.Now(), 0
		var mu sync.Mutex
		var first error
		var wg sync.WaitGroup
		for range r.readers {
			wg.Go(func() {
				n, err := g.readFeed(ctx, r.path)
				mu.Lock()
				defer mu.Unlock()
				all += n
				if first == nil {
					first = err
				}
			})
		}
		wg.Wait()
		if first != nil {
			return first
		}
		fmt.Printf("  %-24s %d readers, pages of 200: %7d events in %6v, %.0f/s\n", r.name, r.readers, all,
			time.Since(began).Round(time.Millisecond), float64(all)/time.Since(began).Seconds())
	}
	return nil
}

// readFeed reads a feed to its end, and counts.
func (i *instance) readFeed(ctx context.Context, path string) (n int, err error) {
	for cursor := ""; ; {
		query := url.Values{"limit": {"200"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		status, raw, err := i.call(ctx, http.MethodGet, path+"?"+query.Encode(), "")
		if err != nil || status != http.StatusOK {
			return n, fmt.Errorf("the feed answers %d %.200s: %w", status, raw, err)
		}
		var page struct {
			Items []struct {
				ID string `json:"id"`
			} `json:"items"`
			Pagination struct {
				Next string `json:"next_cursor"`
			} `json:"pagination"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return n, err
		}
		n += len(page.Items)
		if len(page.Items) == 0 {
			return n, nil
		}
		cursor = page.Pagination.Next
	}
}

// plantingFeed are the statements that write $3 events of the Environment $2, a revision each.
func plantingFeed(engine database.Engine) []string {
	series := `(WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < $3) SELECT i FROM s)`
	made := `printf('%08x-%04x-7000-8000-%012x', $4 / 65536000, $4 / 1000 % 65536, i)`
	if engine == database.Postgres {
		series = `(SELECT generate_series(1, CAST($3 AS BIGINT)) AS i)`
		made = `lpad(to_hex(CAST($4 AS BIGINT) / 65536000), 8, '0') || '-' ||
			lpad(to_hex(CAST($4 AS BIGINT) / 1000 % 65536), 4, '0') || '-7000-8000-' || lpad(to_hex(i), 12, '0')`
	}
	return []string{
		`INSERT INTO audit_event (id, account_id, environment_id, actor_type, action, category, resource_type,
			resource_id, resource_label, metadata, outcome, severity, customer_visible, identity_visible, created_at,
			surfaces, revision, ordinal, in_feed)
		SELECT ` + made + `, CAST($1 AS TEXT), CAST($2 AS TEXT), 'system', 'role.deleted', 'rbac', 'role',
			CAST($1 AS TEXT), 'Role', '{"name":"Role"}', 'success', 'notice', 1, 0,
			CAST($4 AS BIGINT), 2, 1000000 + i, 0, 1 FROM ` + series + ` AS n`,
		`INSERT INTO audit_unsealed (account_id, event_id)
			SELECT account_id, id FROM audit_event WHERE account_id = $1 AND environment_id = $2 AND revision > 1000000
				AND $3 > 0 AND $4 > 0 ORDER BY id`,
	}
}
