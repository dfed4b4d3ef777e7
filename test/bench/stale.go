package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/portal/portaluser"
)

// benchStale lets sign-ins race what ends sessions, and asks afterwards whether one is
// alive that an old password or membership opened.
func benchStale(ctx context.Context, o options, engine database.Engine) error {
	i, err := newInstance(ctx, o, engine)
	if err != nil {
		return err
	}
	defer i.close()
	member, err := i.member(ctx)
	if err != nil {
		return err
	}
	if _, err := i.start(ctx); err != nil {
		return err
	}
	if err := i.signIn(ctx); err != nil {
		return err
	}
	s := &stale{i: i, now: password, next: "Battery-Staple-8", member: member}
	if err := s.race(ctx, "change-password", s.change, s.swap); err != nil {
		return err
	}
	if err := s.race(ctx, "deactivate, activate", s.switched("deactivate"), s.switched("activate")); err != nil {
		return err
	}
	if engine != database.Postgres {
		return nil // a second process can't put a link into the file
	}
	if s.db, err = i.open(ctx); err != nil {
		return err
	}
	defer s.db.Close()
	return s.race(ctx, "reset", s.reset, s.swap)
}

// dana is a member of the owner's Account.
const dana = "dana@acme.test"

// member makes one, while the server isn't running.
func (i *instance) member(ctx context.Context) (portaluser.ID, error) {
	db, err := i.open(ctx)
	if err != nil {
		return portaluser.ID{}, err
	}
	defer db.Close()
	hasher := secret.NewHasher(secret.DefaultParams, 0, 64)
	hash, err := hasher.Hash(ctx, secret.From{}, password)
	if err != nil {
		return portaluser.ID{}, err
	}
	return database.Write(ctx, db, func(tx *database.Tx) (portaluser.ID, error) {
		var in scope.AccountID
		if err := tx.QueryRow(ctx, `SELECT account_id FROM account_slug WHERE slug = $1`, i.slug).Scan(&in); err != nil {
			return portaluser.ID{}, err
		}
		u, _, err := portaluser.Create(ctx, tx, principal.System(), in, portaluser.NewParams{
			ID: id.New[portaluser.ID](tx.Now), Email: dana, FirstName: "Dana", LastName: "Cole", PasswordHash: hash,
		})
		if err != nil {
			return u.ID, err
		}
		_, err = portaluser.Join(ctx, tx, in, u.ID, permission.Admin)
		return u.ID, err
	})
}

// stale is a race between sign-ins of Dana and what ends her sessions.
type stale struct {
	i         *instance
	now, next string // passwords
	member    portaluser.ID
	db        *database.DB
}

// race lets end race a sign-in, has then follow both, and looks for a session.
func (s *stale) race(ctx context.Context, what string, end, then func(context.Context) error) error {
	const each = 500
	alive, refused := 0, 0
	for range each {
		var raced string
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
			raced, _ = s.i.tokenOf(ctx, dana, s.now)
		})
		time.Sleep(time.Duration(rand.IntN(60)) * time.Millisecond)
		err := end(ctx)
		wg.Wait()
		if err == nil {
			err = then(ctx)
		}
		if err != nil {
			return err
		}
		if raced == "" {
			refused++
			continue
		}
		status, _, err := s.i.call(ctx, http.MethodGet, "/v1/auth/me", "", "Authorization", "Bearer "+raced)
		if err != nil {
			return err
		}
		if status != http.StatusUnauthorized {
			alive++
		}
	}
	fmt.Printf("%-22s %d rounds: in %d the sign-in was refused, in %d an old session lives\n", what, each, refused, alive)
	return nil
}

func (s *stale) change(ctx context.Context) error {
	token, err := s.i.tokenOf(ctx, dana, s.now)
	if err != nil {
		return err
	}
	body := fmt.Sprintf(`{"current_password":%q,"new_password":%q}`, s.now, s.next)
	status, raw, err := s.i.call(ctx, http.MethodPost, "/v1/auth/change-password", body, "Authorization", "Bearer "+token)
	if err != nil || status != http.StatusOK {
		return fmt.Errorf("change-password answers %d: %s, %w", status, raw, err)
	}
	return nil
}

func (s *stale) swap(context.Context) error {
	s.now, s.next = s.next, s.now
	return nil
}

// switched switches the membership off or on.
func (s *stale) switched(verb string) func(context.Context) error {
	return func(ctx context.Context) error {
		return s.i.must(ctx, http.StatusOK, http.MethodPost, s.i.account("/users/"+s.member.String()+"/"+verb), "")
	}
}

func (s *stale) reset(ctx context.Context) error {
	token := secret.NewToken()
	err := database.Do(ctx, s.db, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO password_reset (id, user_id, token_hash, status, created_at, expires_at)
			VALUES ($1, $2, $3, 'live', $4, $5)`,
			id.New[id.ID](tx.Now), s.member, token.Hash(), tx.Now, tx.Now.Add(time.Hour))
		return err
	})
	if err != nil {
		return err
	}
	return s.i.must(ctx, http.StatusOK, http.MethodPost, "/v1/auth/reset-password",
		fmt.Sprintf(`{"token":%q,"password":%q}`, token.Reveal(), s.next))
}

// tokenOf signs somebody in; "" where that is refused.
func (i *instance) tokenOf(ctx context.Context, email, password string) (string, error) {
	status, raw, err := i.call(ctx, http.MethodPost, loginPath, loginBody(email, password))
	if err != nil || status != http.StatusOK {
		return "", err
	}
	var a struct {
		Data struct {
			AccessToken string `json:"access_token"`
		} `json:"data"`
	}
	return a.Data.AccessToken, json.Unmarshal(raw, &a)
}
