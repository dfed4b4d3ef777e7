package main

import (
	"context"
	"fmt"
	"net/http"

	"canopy.dev/canopy/internal/platform/database"
)

const pages = 200 // calls of each kind

// benchList asks for each kind of list, the summary and an invite's page data,
// one call at a time.
func benchList(ctx context.Context, o options, engine database.Engine) error {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	db, err := i.open(ctx)
	if err != nil {
		return err
	}
	token, err := seed(ctx, i, db)
	if err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	if _, err := i.start(ctx); err != nil {
		return err
	}
	if err := i.signIn(ctx); err != nil {
		return err
	}
	fmt.Printf("%d invites, about %d of them in the Account that asks\n", o.invites, o.own)
	kinds := []struct{ name, method, path, body string }{
		{"summary", http.MethodGet, i.account("/user-invites/summary"), ""},
		{"invite-info", http.MethodPost, "/v1/auth/invite-info", fmt.Sprintf(`{"token":%q}`, token)},
	}
	for _, sort := range []string{"created_at", "expires_at", "email", "name"} {
		for _, order := range []string{"asc", "desc"} {
			for _, page := range []string{"1", "50"} {
				query := "sort_by=" + sort + "&order=" + order + "&page=" + page
				kinds = append(kinds, struct{ name, method, path, body string }{
					query, http.MethodGet, i.account("/user-invites?" + query), "",
				})
			}
		}
	}
	for _, filter := range []string{
		"status=pending", "status=accepted", "status=expired", "status=revoked", "q=cole", "q=a7", "q=e",
		"q=acme.test", "q=nowhere-at-all", "status=accepted&q=cole",
	} {
		for _, sort := range []string{"created_at", "expires_at", "email", "name"} {
			for _, page := range []string{"1", "50"} {
				query := filter + "&sort_by=" + sort + "&page=" + page
				kinds = append(kinds, struct{ name, method, path, body string }{
					query, http.MethodGet, i.account("/user-invites?" + query), "",
				})
			}
		}
	}
	var worst times
	for _, k := range kinds {
		if err := i.must(ctx, http.StatusOK, k.method, k.path, k.body); err != nil { // warms
			return err
		}
		n := pages
		if o.invites < 1000 {
			n = 3
		}
		t, err := rounds(n, func(int) error { return i.must(ctx, http.StatusOK, k.method, k.path, k.body) })
		if err != nil {
			return err
		}
		fmt.Printf("%-52s %v\n", k.name, t)
		worst = append(worst, t.at(0.99))
	}
	fmt.Printf("%-52s p99 %v\n", "the slowest kind", worst.at(1))
	return nil
}
