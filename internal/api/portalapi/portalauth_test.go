package portalapi_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// What must hold of sign-up, sign-in and sessions, in the order of the
// specification's list (portal users, section 11). Its eighth, that no header
// changes a link, is the case every-host-header; its ninth, forged tokens, is
// tested where tokens are read, in signingkey.

var hashesDone = regexp.MustCompile(`(?m)^canopy_password_hashes_total (\d+)$`)

// hashes counts the passwords hashed while fn runs, as /metrics tells it.
func hashes(t *testing.T, s *server, fn func()) int {
	t.Helper()
	read := func() int {
		w := httptest.NewRecorder()
		s.Metrics.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
		found := hashesDone.FindStringSubmatch(w.Body.String())
		if found == nil {
			t.Fatal("the metrics do not tell the hashes")
		}
		n, _ := strconv.Atoi(found[1])
		return n
	}
	before := read()
	fn()
	return read() - before
}

// 1. Whether an address is taken shows neither in the answer nor in the work.
func TestSignUpTellsNothing(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		for _, email := range []string{"alex@acme.com", "free@acme.com"} {
			c := anyone(s)
			body := servertest.Registration(email)
			body["password"], body["account_name"] = "Offered-Pass-9", "North "+email[:4]
			var a answer
			if n := hashes(t, s, func() { a = c.Must(201, "POST", "/v1/auth/register", body) }); n != 1 {
				t.Errorf("%s: %d hashes", email, n)
			}
			b := c.Must(201, "POST", "/v1/auth/register", body)
			if b.Text("data", "account", "slug") != a.Text("data", "account", "slug")+"-2" {
				t.Errorf("%s: the name is not reserved: %s", email, b.Raw)
			}
			offered := c.login(email, "Offered-Pass-9")
			is(t, email+" with the password offered", offered, 403, "auth.email_not_verified")
		}
	})
}

// 2. Who signs up somebody's address gains nothing, before the owner, after, or between
// the owner's sign-up and a new mail: the owner's password counts, whichever link the
// owner opens. All orders are tested in signup.
func TestStrangerSignsUpToo(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=off" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		guest := anyone(s)
		register := func(email, password string) string {
			body := servertest.Registration(email)
			body["password"] = password
			guest.Must(201, "POST", "/v1/auth/register", body)
			return s.MailedToken(email)
		}
		const strangers = "Strangers-Pass-1"
		for email, links := range map[string]func(email string) []string{
			"before@acme.com": func(email string) []string {
				return []string{register(email, strangers), register(email, servertest.Password)}
			},
			"after@acme.com": func(email string) []string {
				return []string{register(email, servertest.Password), register(email, strangers)}
			},
			"between@acme.com": func(email string) []string {
				_, _ = register(email, servertest.Password), register(email, strangers)
				guest.Must(200, "POST", "/v1/auth/resend-verification", m{"email": email})
				return []string{s.MailedToken(email)}
			},
		} {
			list := links(email)
			open := list[0]
			is(t, email+" by the link alone", guest.verify(open), 409, "auth.password_required")
			byLink := guest.Do("GET", "/v1/auth/verify-email?token="+open, nil)
			is(t, email+" by GET", byLink, 409, "auth.password_required")
			is(t, email+" with no sign-up's password", guest.prove(open, "Wrong-Pass-9"), 401, "auth.invalid_credentials")
			is(t, email+" with an empty password", guest.prove(open, ""), 400, "validation")
			is(t, email+" with the owner's password", guest.prove(open, servertest.Password), 200, "")
			is(t, email+" again", guest.prove(open, servertest.Password), 410, "auth.link_used")
			for _, other := range list[1:] {
				if a := guest.prove(other, strangers); a.Status != 404 && a.Status != 410 {
					t.Errorf("%s by the other link: %s", email, a.Raw)
				}
			}
			is(t, email+": the stranger's password", guest.login(email, strangers), 401, "auth.invalid_credentials")
			is(t, email+": the owner's password", guest.login(email, servertest.Password), 200, "")
		}
	})
}

// The mails that strangers can ask for are counted apart from each other and from an
// Account's, and refuse nothing.
func TestStrangersDoNotUseUpMails(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_up=off,recover=off,recover_ip=off" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		other, otherSlug := s.SignUp("noa@northwind.com", "Northwind")
		guest := anyone(s)
		for range 11 {
			for _, call := range []struct {
				path string
				body m
				want int
			}{
				{"/v1/auth/register", servertest.Registration("dana@acme.com"), 201},
				{"/v1/auth/register", servertest.Registration("alex@acme.com"), 201},
				{"/v1/auth/forgot-password", m{"email": "alex@acme.com"}, 200},
				{"/v1/auth/resend-verification", m{"email": "dana@acme.com"}, 200},
			} {
				guest.Must(call.want, "POST", call.path, call.body)
				s.Deliver()
			}
		}
		kinds := map[string]int{}
		for _, mail := range s.Mail.Messages() {
			kinds[mail.To+": "+mail.Subject]++
		}
		if diff := cmp.Diff(map[string]int{
			"alex@acme.com: Confirm your e-mail address":     1,
			"alex@acme.com: You already have an account":     9,
			"alex@acme.com: Reset your password":             10,
			"dana@acme.com: Confirm your e-mail address":     10,
			"noa@northwind.com: Confirm your e-mail address": 1,
		}, kinds); diff != "" {
			t.Error(diff)
		}
		reset := s.MailedToken("alex@acme.com")
		for range 10 {
			inviteID, _ := w.Invite("dana@acme.com")
			w.Alex.Must(204, "DELETE", w.invites()+"/"+inviteID, nil)
		}
		full := w.Alex.Do("POST", w.invites(), servertest.Invitation("dana@acme.com"))
		is(t, "an eleventh invite of one Account", full, 429, "rate_limit.exceeded")
		other.Must(201, "POST", servertest.Invites(otherSlug), servertest.Invitation("dana@acme.com"))
		is(t, "the newest reset link", guest.reset(reset, "Another-Horse-8"), 200, "")
	})
}

// choices signs Kim of preAuth in and gives the token and the bodies that choose,
// by the Account's slug.
func choices(s *server) (token string, bodies map[string]m) {
	a := anyone(s).login("kim@initech.com", servertest.Password)
	bodies = map[string]m{}
	for _, item := range a.At("data", "accounts").([]any) {
		account := item.(m)
		application := account["applications"].([]any)[0].(m)
		slug := account["account_slug"].(string)
		bodies[slug] = m{"account_id": account["account_id"], "application_id": application["id"]}
	}
	return a.Text("data", "access_token"), bodies
}

// 3. Of fifty at once one wins; verifications, resets and accepts are the case
// single-winner.
func TestOneOfManySelectionsAndRefreshes(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		alex, choice := w.Alex, s.Client()
		choice.Token = w.preAuth(t)
		_, bodies := choices(s)
		counts := servertest.AtOnce(50, func() string {
			return servertest.Outcome(choice.Do("POST", "/v1/auth/select-application", bodies[w.Slug]))
		})
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.invalid_token": 49}, counts); diff != "" {
			t.Errorf("selections:\n%s", diff)
		}

		old := alex.CookieValue("/v1/auth/refresh", "canopy_refresh")
		counts = servertest.AtOnce(50, func() string {
			a := s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", "canopy_refresh="+old)
			cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
			return servertest.Outcome(a) + cookie
		})
		if len(counts) != 1 {
			t.Errorf("refreshes: %v", counts)
		}
	})
}

// 5. An end in one Account is none in another; 4 is
// TestRefreshRotatesAndDetectsReuse.
func TestSessionsOfOneAccountEnd(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		_ = w.preAuth(t)
		kim := map[string]*client{}
		_, bodies := choices(s)
		for slug, body := range bodies {
			c := s.Client()
			c.Token, _ = choices(s)
			a := c.Must(200, "POST", "/v1/auth/select-application", body)
			c.Token = a.Text("data", "access_token")
			kim[slug] = c
		}
		id := kim[w.Slug].Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		w.Alex.Must(200, "POST", w.account()+"/users/"+id+"/deactivate", nil)
		if len(kim) != 2 {
			t.Errorf("Kim is in %d Accounts", len(kim))
		}
		for account, c := range kim {
			want := 200
			if account == w.Slug {
				want = 401
			}
			is(t, "access token of "+account, c.Do("GET", "/v1/auth/me", nil), want, "")
			is(t, "cookie of "+account, c.Do("POST", "/v1/auth/refresh", nil), want, "")
		}
	})
}

// 6. No part of a token opens anything; whole tokens are the case
// purpose-matrix.
func TestPrefixesOfTokens(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		_, invited := w.Invite("dana@acme.com")
		s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("new@acme.com"))
		s.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
		refresh, err := url.QueryUnescape(w.Alex.CookieValue("/v1/auth/refresh", "canopy_refresh"))
		if err != nil {
			t.Fatal(err)
		}
		choice := m{"account_id": w.Slug, "application_id": w.Slug}
		for kind, token := range map[string]string{
			"invite": invited, "verify": s.MailedToken("new@acme.com"), "reset": s.MailedToken("alex@acme.com"),
			"refresh": refresh, "access": w.Alex.Token, "pre-auth": w.preAuth(t),
		} {
			step := 1 + len(token)/64
			for end := step; end < len(token); end += step {
				part := token[:end]
				c := anyone(s)
				is(t, kind+" to accept", c.accept(part), 404, "")
				is(t, kind+" to verify", c.verify(part), 404, "")
				is(t, kind+" to reset", c.reset(part, "Another-Horse-8"), 404, "")
				cookie := "canopy_refresh=" + part
				is(t, kind+" to refresh", c.Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie), 401, "")
				c.Token = part
				is(t, kind+" as bearer", c.Do("GET", "/v1/auth/me", nil), 401, "auth.invalid_token")
				selected := c.Do("POST", "/v1/auth/select-application", choice)
				is(t, kind+" to select", selected, 401, "auth.invalid_token")
			}
		}
	})
}

// 7. A wrong password is answered alike, with the same work, whoever is asked
// for.
func TestWrongPasswordTellsNothing(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, _ = s.SignUp("known@acme.com", "Acme")
		_, _ = s.SignUp("decoy@acme.com", "Acme")
		guest := anyone(s)
		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration("decoy@acme.com"))
		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration("pending@acme.com"))
		s.Clock.Stop(time.Now())
		var first answer
		for i, who := range []string{"unknown", "known", "pending", "decoy"} {
			var a answer
			n := hashes(t, s, func() { a = anyone(s).login(who+"@acme.com", "Wrong-Pass-9") })
			if n != 2 {
				t.Errorf("%s: %d hashes", who, n)
			}
			a.Header.Del("X-Request-Id")
			a.Header.Del("Date")
			if i == 0 {
				first = a
				is(t, who, a, 401, "auth.invalid_credentials")
			}
			if diff := cmp.Diff(first, a); diff != "" {
				t.Errorf("%s is told from unknown:\n%s", who, diff)
			}
		}
	})
}

// A locked address is answered alike, with nothing compared, whether somebody has it or
// not and whatever the password is; a reset opens it.
func TestLockTellsNothing(t *testing.T) {
	t.Parallel()
	limits := func(c *config.Settings) { c.RateLimits = "sign_in=off,sign_in_ip=off" }
	servertest.Each(t, limits, func(t *testing.T, s *server) {
		_, _ = s.SignUp("known@acme.com", "Acme")
		s.Clock.Stop(time.Now())
		for range 10 {
			is(t, "a guess", anyone(s).login("known@acme.com", "Wrong-Pass-9"), 401, "auth.invalid_credentials")
			is(t, "a guess", anyone(s).login("nobody@acme.com", "Wrong-Pass-9"), 401, "auth.invalid_credentials")
		}
		var first *answer
		for _, c := range [][2]string{
			{"known@acme.com", "Wrong-Pass-9"},
			{"known@acme.com", servertest.Password},
			{"nobody@acme.com", "Wrong-Pass-9"},
			{"nobody@acme.com", servertest.Password},
		} {
			var a answer
			n := hashes(t, s, func() { a = anyone(s).login(c[0], c[1]) })
			is(t, c[0], a, 429, "auth.too_many_attempts")
			a.Header.Del("X-Request-Id")
			a.Header.Del("Date")
			if first == nil {
				first = &a
			}
			if diff := cmp.Diff(*first, a); diff != "" || n != 0 {
				t.Errorf("%s with %s, %d hashes:\n%s", c[0], c[1], n, diff)
			}
		}
		guest := anyone(s)
		guest.Must(200, "POST", "/v1/auth/forgot-password", m{"email": "known@acme.com"})
		link := s.MailedToken("known@acme.com")
		guest.Must(200, "POST", "/v1/auth/reset-password", m{"token": link, "password": "Better-Horse-8"})
		is(t, "after a reset", anyone(s).login("known@acme.com", "Better-Horse-8"), 200, "")
	})
}
