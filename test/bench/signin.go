package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
)

// benchSignIn compares sign-ins with what the password hash alone allows, in
// turns, and looks at lists while guesses flood the server.
func benchSignIn(ctx context.Context, o options, engine database.Engine) error {
	i, err := running(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	if err := i.signIn(ctx); err != nil {
		return err
	}
	for k := range 1000 {
		if err := i.must(ctx, http.StatusCreated, http.MethodPost, i.account("/user-invites"), createBody(k)); err != nil {
			return err
		}
	}
	hasher := secret.NewHasher(secret.DefaultParams, 0, 64)
	phc, err := hasher.Hash(ctx, secret.From{}, password)
	if err != nil {
		return err
	}
	var alone, over []float64
	signIn := func(ctx context.Context, _ int) error {
		return i.must(ctx, http.StatusOK, http.MethodPost, "/v1/auth/login",
			fmt.Sprintf(`{"email":%q,"password":%q}`, owner, password))
	}
	const turns = 3
	for turn := range turns {
		rate, _, err := load(ctx, o.clients, o.duration, func(ctx context.Context, _ int) error {
			which, _, err := hasher.Verify(ctx, secret.From{}, password, phc)
			if err == nil && which < 0 {
				err = errors.New("the password is wrong")
			}
			return err
		})
		if err != nil {
			return err
		}
		fmt.Printf("turn %d  the hash alone %6.1f/s\n", turn+1, rate)
		alone = append(alone, rate)
		rate, t, err := load(ctx, o.clients, o.duration, signIn)
		if err != nil {
			return err
		}
		fmt.Printf("turn %d  sign-ins       %6.1f/s   %v\n", turn+1, rate, t)
		over = append(over, rate)
	}
	fmt.Printf("median of %d: %.1f sign-ins/s, %.1f hashes/s: %.2f of it\n",
		turns, median(over), median(alone), median(over)/median(alone))

	return listsUnderGuesses(ctx, o, i)
}

// listsUnderGuesses compares lists alone with lists beside a flood of wrong passwords.
func listsUnderGuesses(ctx context.Context, o options, i *instance) error {
	const turns = 3
	// The sign-ins have ended the oldest sessions of the person, ours among them.
	if err := i.signIn(ctx); err != nil {
		return err
	}
	// Wrong passwords cost most, and open no sessions.
	guess := func(ctx context.Context, _ int) error {
		return i.must(ctx, http.StatusUnauthorized, http.MethodPost, "/v1/auth/login",
			fmt.Sprintf(`{"email":%q,"password":"Wrong-Horse-7"}`, owner))
	}
	list := func(int) error { return i.must(ctx, http.StatusOK, http.MethodGet, i.account("/user-invites"), "") }
	var ratios []float64
	for turn := range turns {
		calm, err := rounds(1000, list)
		if err != nil {
			return err
		}
		flood, end := context.WithCancel(ctx)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _, _ = load(flood, o.clients, time.Hour, guess)
		})
		time.Sleep(time.Second)
		flooded, err := rounds(1000, list)
		end()
		wg.Wait()
		if err != nil {
			return err
		}
		fmt.Printf("turn %d  lists alone                %v\n", turn+1, calm)
		fmt.Printf("turn %d  lists while guesses flood  %v\n", turn+1, flooded)
		ratios = append(ratios, float64(flooded.at(0.99))/float64(calm.at(0.99)))
	}
	fmt.Printf("median of %d: p99 is %.1f times that of an unloaded server\n", turns, median(ratios))
	return nil
}
