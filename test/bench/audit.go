package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

// benchAudit asks for the first page of an Account's log by every filter, on both surfaces, of
// the last 30 days and of a year.
func benchAudit(ctx context.Context, o options, engine database.Engine) error {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	var account id.ID
	err = db.Pool().QueryRowContext(ctx, `SELECT id FROM account`).Scan(&account)
	if err != nil {
		return err
	}
	began := time.Now()
	l, err := plantLog(ctx, db, account, o.rows, ownSurfaces)
	if err != nil {
		return err
	}
	if engine == database.Postgres {
		if _, err := db.Pool().ExecContext(database.Long(ctx), "VACUUM ANALYZE audit_event, audit_index"); err != nil {
			return err
		}
	}
	fmt.Printf("  %d rows planted in %v\n", o.rows, time.Since(began).Round(time.Second))
	return l.ask(ctx, db, o.steps)
}

func planted(mark string, n int) (of id.ID) {
	of, _ = id.Parse[id.ID](fmt.Sprintf("%s-0000-7000-8000-%012x", mark, n))
	return of
}

func (l *logged) filters() map[string]event.Filter {
	return map[string]event.Filter{
		"none":                   {},
		"action, common":         {Actions: []string{"session.started"}},
		"action, one in 250,000": {Actions: []string{"account.created"}},
		"action, none":           {Actions: []string{"no.such"}},
		"category, common":       {Category: event.RBAC},
		"category, rare":         {Category: event.AdminUser},
		"severity, common":       {Severity: event.Warning},
		"severity, rare":         {Severity: event.Critical},
		"outcome, rare":          {Outcome: event.Denied},
		"actor_type, rare":       {ActorType: "system"},
		"actor_type, common":     {ActorType: "identity"},
		"resource_type":          {ResourceType: "role"},
		"resource_type, none":    {ResourceType: "nothing"},
		"actor_id, a key":        {ActorID: planted("0000ac00", 2)},
		"actor_id, a person":     {ActorID: planted("0000ac00", 777)},
		"actor_id, none":         {ActorID: planted("0000ac00", 1<<30)},
		"resource_id":            {ResourceID: planted("0000ee00", 4711)},
		"correlation_id":         {Correlation: planted("0000c000", 1000).String()},
		"application_id":         {Application: scope.ApplicationID(planted("0000a000", 0))},
		"environment_id, large":  {Environment: scope.EnvironmentID(planted("0000e000", 0))},
		"environment_id, small":  {Environment: scope.EnvironmentID(planted("0000e000", 5))},
		"environment_id, none":   {Environment: scope.EnvironmentID(planted("0000e000", 99))},
		"q, common":              {Q: "acme"},
		"q, rare":                {Q: "Person-19999@"},
		"q, none":                {Q: "nobody-at-all"},
	}
}

func (l *logged) ask(ctx context.Context, db *database.DB, steps map[string]bool) error {
	filters := l.filters()
	million := l.to.Sub(l.from)
	for _, name := range slices.Sorted(maps.Keys(filters)) {
		if step, _, _ := strings.Cut(name, ","); steps != nil && !steps[step] {
			continue
		}
		for _, on := range []event.Surfaces{event.Identities, event.Admin} {
			for window, length := range map[string]time.Duration{"30 days": 30 * 24 * time.Hour, "year": million} {
				f := filters[name]
				n := 100
				if f.Q != "" {
					n = 5
				}
				f.Account, f.On, f.From, f.To = scope.AccountID(l.account), on, l.to.Add(-length), l.to
				found := 0
				t, err := rounds(n, func(int) error {
					rows, err := database.Read(ctx, db, func(tx *database.Tx) ([]event.Row, error) {
						return event.Find(ctx, tx, f, event.Mark{}, 51, event.NewestFirst)
					})
					found = len(rows)
					return err
				})
				if err != nil {
					return err
				}
				fmt.Printf("%-24s %-10s %-8s %3d rows   %v\n", name, on.Names()[0], window, found, t)
			}
		}
	}
	return nil
}
