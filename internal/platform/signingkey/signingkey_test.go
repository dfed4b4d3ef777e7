package signingkey

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

const issuer = "https://canopy.example"

func service(t *testing.T, db *database.DB) *Service {
	t.Helper()
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{DB: db, Box: box, Issuer: issuer, TokenLife: 15 * time.Minute})
}

func ready(t *testing.T, db *database.DB) *Service {
	t.Helper()
	s := service(t, db)
	if err := s.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func claims(now time.Time) Claims {
	return Claims{
		Subject: id.New[id.ID](now), Type: "user", ID: id.New[id.ID](now), SessionID: id.New[principal.SessionID](now),
		IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 900, AccountSlug: "acme-realty",
		Permissions: []string{"rbac.view_roles"},
	}
}

func sign(t *testing.T, s *Service, c Claims) string {
	t.Helper()
	return dbtest.Write(t, s.DB, func(tx *database.Tx) (string, error) { return s.Sign(t.Context(), tx, c) })
}

// trySign gives the error of Sign.
func trySign(t *testing.T, s *Service, c Claims) error {
	t.Helper()
	return database.View(t.Context(), s.DB, func(tx *database.Tx) error {
		_, err := s.Sign(t.Context(), tx, c)
		return err
	})
}

// age moves every key d into the past.
func age(t *testing.T, db *database.DB, d time.Duration) {
	t.Helper()
	err := database.Do(t.Context(), db, func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE signing_key SET created_at = created_at - $1, signs_from = signs_from - $1`,
			d.Microseconds())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func kid(t *testing.T, token string) string {
	t.Helper()
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		t.Fatal(err)
	}
	return signed.Signatures[0].Protected.KeyID
}

// forge signs any payload with any key.
func forge(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, payload any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(raw)
	if err != nil {
		t.Fatal(err)
	}
	text, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func TestVerifyReadsWhatSignMade(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s, now := ready(t, db), db.Now()
		for _, tokenType := range []string{"", PreAuth} {
			c := claims(now)
			c.TokenType = tokenType
			got, err := s.Verify(t.Context(), sign(t, s, c), now)
			c.Issuer = issuer
			if diff := cmp.Diff(c, got); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		}
	})
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s, now := ready(t, db), db.Now()
		c := claims(now)
		good := sign(t, s, c)
		part := strings.Split(good, ".")
		k := s.known.Load().keys[0]
		der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		with := func(change func(map[string]any)) map[string]any {
			m := map[string]any{"sub": c.Subject.String(), "type": "user", "iss": issuer, "iat": c.IssuedAt, "exp": c.ExpiresAt}
			change(m)
			return m
		}
		ours := func(change func(map[string]any)) string {
			return forge(t, jose.RS256, k.private, k.ID, with(change))
		}
		if _, err := s.Verify(t.Context(), ours(func(map[string]any) {}), now); err != nil {
			t.Fatalf("the forger is broken: %v", err)
		}
		tokens := map[string]string{
			"nothing":             "",
			"alg none":            b64(`{"alg":"none","kid":"`+k.ID+`"}`) + "." + part[1] + ".",
			"HS256 by public key": forge(t, jose.HS256, public, k.ID, with(func(map[string]any) {})),
			"RS512":               forge(t, jose.RS512, k.private, k.ID, with(func(map[string]any) {})),
			"changed claim": part[0] + "." + b64(strings.Replace(decode(t, part[1]), `"user"`, `"platform"`, 1)) + "." +
				part[2],
			"unknown kid":      forge(t, jose.RS256, k.private, "2026-04-0000", with(func(map[string]any) {})),
			"no kid":           forge(t, jose.RS256, k.private, "", with(func(map[string]any) {})),
			"another spelling": part[0] + "." + part[1] + "." + part[2] + "\n",
			"padding":          good + "==",
			"huge":             strings.Repeat("a", maxToken+1),
		}
		for claim, values := range map[string][]any{
			"iss": {nil, "", "https://evil.example", issuer + "/", 7}, "aud": {"x", []string{}, []string{issuer}},
			"sub": {nil, "", "x"}, "type": {nil, ""}, "iat": {nil, 0, "1"}, "exp": {nil, 0, -1, "9999999999", 1e300},
		} {
			for _, v := range values {
				text, _ := json.Marshal(v)
				tokens[claim+" "+string(text)] = ours(func(m map[string]any) {
					if m[claim] = v; v == nil {
						delete(m, claim)
					}
				})
			}
		}
		tokens["aud null"] = ours(func(m map[string]any) { m["aud"] = nil })
		for name, token := range tokens {
			if _, err := s.Verify(t.Context(), token, now); !errors.Is(err, ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for n := range good {
			if _, err := s.Verify(t.Context(), good[:n], now); !errors.Is(err, ErrInvalidToken) {
				t.Fatalf("prefix of %d: %v", n, err)
			}
		}
	})
}

func decode(t *testing.T, s string) string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestClocksMayDifferByAMinute(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s, c := ready(t, db), claims(db.Now())
		token, issued, expires := sign(t, s, c), time.Unix(c.IssuedAt, 0), time.Unix(c.ExpiresAt, 0)
		for _, at := range []struct {
			now time.Time
			ok  bool
		}{
			{issued.Add(-61 * time.Second), false},
			{issued.Add(-60 * time.Second), true},
			{expires.Add(60*time.Second - time.Millisecond), true},
			{expires.Add(60 * time.Second), false},
		} {
			_, err := s.Verify(t.Context(), token, at.now)
			if (err == nil) != at.ok || err != nil && !errors.Is(err, ErrInvalidToken) {
				t.Errorf("%s after issue: %v", at.now.Sub(issued), err)
			}
		}
	})
}

func TestSignRefusesWhatVerifyWould(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		if err := trySign(t, service(t, db), claims(db.Now())); err == nil {
			t.Error("signed without a key")
		}
		s := ready(t, db)
		for name, change := range map[string]func(*Claims){
			"no sub": func(c *Claims) { c.Subject = id.ID{} }, "no type": func(c *Claims) { c.Type = "" },
			"no iat": func(c *Claims) { c.IssuedAt = 0 },
			"no exp": func(c *Claims) { c.ExpiresAt = 0 }, "outlives its key": func(c *Claims) { c.ExpiresAt += 3600 },
		} {
			c := claims(db.Now())
			if change(&c); name != "" {
				if err := trySign(t, s, c); err == nil {
					t.Errorf("%s: signed", name)
				}
			}
		}
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ctx, s := t.Context(), ready(t, db)
		first := kid(t, sign(t, s, claims(db.Now())))
		next, err := s.Rotate(ctx)
		if err != nil || next.State != Next || next.SignsFrom.Sub(next.CreatedAt) != 15*time.Minute {
			t.Fatalf("%+v, %v", next, err)
		}
		// states after a time, seen by a fresh process, in the order of the list
		for _, at := range []struct {
			wait      time.Duration
			states    []State
			signer    string
			published int
		}{
			{0, []State{Signing, Next}, first, 2},
			{14 * time.Minute, []State{Signing, Next}, first, 2},
			{time.Minute, []State{Published, Signing}, next.ID, 2},
			{15 * time.Minute, []State{Published, Signing}, next.ID, 2},
			{3 * time.Minute, []State{Retired, Signing}, next.ID, 1},
		} {
			age(t, db, at.wait)
			s := ready(t, db)
			list, err := s.List(ctx)
			if err != nil {
				t.Fatal(err)
			}
			var states []State
			for _, k := range list {
				states = append(states, k.State)
			}
			if diff := cmp.Diff(at.states, states); diff != "" {
				t.Error(diff)
			}
			if got := kid(t, sign(t, s, claims(db.Now()))); got != at.signer {
				t.Errorf("%s signs, want %s", got, at.signer)
			}
			raw, err := s.JWKS(ctx)
			if err != nil || strings.Count(string(raw), `"kid"`) != at.published {
				t.Errorf("%s, %v; want %d keys", raw, err, at.published)
			}
		}
	})
}

func TestRetiredKeyVerifiesNothing(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s := ready(t, db)
		now := db.Now()
		token := sign(t, s, claims(now))
		if _, err := s.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Verify(t.Context(), token, now); err != nil {
			t.Errorf("after the rotation: %v", err)
		}
		age(t, db, time.Hour)
		if _, err := ready(t, db).Verify(t.Context(), token, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("by a retired key: %v", err)
		}
	})
}

func TestEnsureMakesKeysByAgeAndForgetsOldOnes(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		count := func() int {
			list, err := ready(t, db).List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		for i, at := range []struct {
			wait time.Duration
			keys int
		}{{0, 1}, {89 * 24 * time.Hour, 1}, {24 * time.Hour, 2}, {90 * 24 * time.Hour, 3}, {90 * 24 * time.Hour, 3}} {
			age(t, db, at.wait)
			if got := count(); got != at.keys {
				t.Errorf("step %d: %d keys, want %d", i, got, at.keys)
			}
		}
	})
}

func TestReplicasMakeOneFirstKey(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if err := service(t, db).Ensure(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if list, err := service(t, db).List(t.Context()); err != nil || len(list) != 1 || list[0].State != Signing {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestServicesOnOneStoreTakeEachOthersTokens(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		a, b, now := ready(t, db), ready(t, db), db.Now()
		if _, err := b.Verify(t.Context(), sign(t, a, claims(now)), now); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The new key's time comes while b has just read the old set.
		if _, err := b.JWKS(t.Context()); err != nil {
			t.Fatal(err)
		}
		known := b.known.Load().keys
		age(t, db, 15*time.Minute)
		token := sign(t, a, claims(now))
		if kid(t, token) == known[0].ID {
			t.Fatal("the new key does not sign")
		}
		if _, err := b.Verify(t.Context(), token, now); err != nil {
			t.Errorf("an unknown kid was not looked up: %v", err)
		}
	})
}

func TestKeySetIsOfTheContract(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		s := ready(t, db)
		raw, err := s.JWKS(t.Context())
		form := `^\{"keys":\[\{"kty":"RSA","use":"sig","alg":"RS256",` +
			`"kid":"\d{4}-\d\d-[0-9a-f]{4}","n":"[\w-]{342}","e":"AQAB"\}\]\}$`
		if err != nil || !regexp.MustCompile(form).Match(raw) {
			t.Fatalf("%s, %v", raw, err)
		}
		var parsed jose.JSONWebKeySet
		if err := json.Unmarshal(raw, &parsed); err != nil {
			t.Fatal(err)
		}
		c := claims(db.Now())
		signed, err := jose.ParseSignedCompact(sign(t, s, c), []jose.SignatureAlgorithm{jose.RS256})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signed.Verify(parsed.Keys[0].Key.(*rsa.PublicKey)); err != nil {
			t.Errorf("the published key does not verify: %v", err)
		}
	})
}

func TestAnotherInstallKeyIsToldApart(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, db *database.DB) {
		ready(t, db)
		s := service(t, db)
		box, err := secret.NewBox([]byte(strings.Repeat("k", secret.KeySize)))
		if err != nil {
			t.Fatal(err)
		}
		s.Box = box
		if err := s.Ensure(t.Context()); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("%v, want ErrSealed", err)
		}
	})
}
