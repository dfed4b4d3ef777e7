package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/mailqueue"
	"canopy.dev/canopy/internal/platform/outbox"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/portal/invite"
)

// benchCreate compares POST …/user-invites with the same transaction called
// without HTTP, in turns on databases of their own.
func benchCreate(ctx context.Context, o options, engine database.Engine) error {
	const turns = 3
	var over, bare []float64
	for turn := range turns {
		rate, t, err := createOverHTTP(ctx, o, engine)
		if err != nil {
			return err
		}
		fmt.Printf("turn %d  over HTTP    %7.0f/s   %v\n", turn+1, rate, t)
		over = append(over, rate)
		rate, t, err = createBare(ctx, o, engine)
		if err != nil {
			return err
		}
		fmt.Printf("turn %d  without HTTP %7.0f/s   %v\n", turn+1, rate, t)
		bare = append(bare, rate)
	}
	fmt.Printf("median of %d: %.0f/s over HTTP, %.0f/s without: %.2f of it\n",
		turns, median(over), median(bare), median(over)/median(bare))
	return nil
}

func address(k int) string { return fmt.Sprintf("person%d@acme.test", k) }

func createBody(k int) string {
	return fmt.Sprintf(`{"email":%q,"first_name":"Dana","last_name":"Cole"}`, address(k))
}

func createOverHTTP(ctx context.Context, o options, engine database.Engine) (float64, times, error) {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return 0, nil, err
	}
	defer i.close()
	if _, err := i.start(ctx); err != nil {
		return 0, nil, err
	}
	if err := i.signIn(ctx); err != nil {
		return 0, nil, err
	}
	return load(ctx, o.clients, o.duration, func(ctx context.Context, k int) error {
		return i.must(ctx, http.StatusCreated, http.MethodPost, i.account("/user-invites"), createBody(k))
	})
}

func createBare(ctx context.Context, o options, engine database.Engine) (float64, times, error) {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return 0, nil, err
	}
	defer i.close()
	db, err := i.open(ctx)
	if err != nil {
		return 0, nil, err
	}
	defer db.Close()
	// The program that made the database may be an older one.
	if err := db.Migrate(ctx); err != nil {
		return 0, nil, err
	}
	var caller principal.User
	err = database.View(ctx, db, func(tx *database.Tx) error {
		caller.Label, caller.Email = owner, owner
		return tx.QueryRow(ctx, `SELECT account_id, user_id FROM account_member`).Scan(&caller.Account.ID, &caller.UserID)
	})
	if err != nil {
		return 0, nil, err
	}
	key, err := base64.StdEncoding.DecodeString(secret.NewKey())
	if err != nil {
		return 0, nil, err
	}
	box, err := secret.NewBox(key)
	if err != nil {
		return 0, nil, err
	}
	limits := ratelimit.New(db, nil)
	queue := &mailqueue.Queue{Outbox: outbox.Queue{Box: box, Lane: mailqueue.Lane}, Limits: limits}
	s := &invite.Service{DB: db, Limits: limits, Mail: queue, Life: 168 * time.Hour}
	return load(ctx, o.clients, o.duration, func(ctx context.Context, k int) error {
		_, err := s.Create(ctx, caller, caller.Account, invite.Draft{Email: address(k), FirstName: "Dana", LastName: "Cole"})
		return err
	})
}
