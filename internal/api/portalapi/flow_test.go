package portalapi_test

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

func TestFromSignUpToAcceptedInvite(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme Realty")
		if slug != "acme-realty" {
			t.Errorf("slug is %q", slug)
		}
		a := alex.Must(201, "POST", servertest.Invites(slug), dana)
		data := a.At("data").(m)
		want := []string{"created_at", "email", "expires_at", "first_name", "id", "invited_by", "last_name", "name", "status"}
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(data))); diff != "" {
			t.Errorf("the nine fields:\n%s", diff)
		}
		if data["email"] != "dana@acme.com" || data["name"] != "Dana Cole" || data["status"] != "pending" {
			t.Errorf("%s", a.Raw)
		}
		token := s.MailedToken("dana@acme.com")
		guest := s.Client()
		info := guest.Must(200, "POST", "/v1/auth/invite-info", m{"token": token})
		if diff := cmp.Diff(m{"email": "dana@acme.com", "intent": "activate", "first_name": "Dana", "last_name": "Cole",
			"app_name": "Acme Realty", "inviter_email": "alex@acme.com"}, info.At("data")); diff != "" {
			t.Errorf("preview:\n%s", diff)
		}
		guest.Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(token))
		guest.SignIn("dana@acme.com")
		me := guest.Must(200, "GET", "/v1/auth/me", nil)
		if me.Text("data", "account", "account_role") != "admin" {
			t.Errorf("%s", me.Raw)
		}
		row := alex.Must(200, "GET", servertest.Invites(slug)+"/"+data["id"].(string), nil)
		if row.Text("data", "status") != "accepted" || row.Text("data", "delivery") != "sent" {
			t.Errorf("%s", row.Raw)
		}
		if got := guest.Do("POST", "/v1/auth/accept-invite", servertest.Acceptance(token)); got.Status != 410 || got.Code() != "invites.already_accepted" {
			t.Errorf("a second accept: %d %s", got.Status, got.Raw)
		}
		if again := alex.Do("POST", servertest.Invites(slug), dana); again.Status != 409 || again.Code() != "invites.already_member" {
			t.Errorf("%s", again.Raw)
		}
		if strings.Contains(s.Log.String(), token) {
			t.Error("the token is in the log")
		}
	})
}

func TestInviteLifeCycle(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		inviteID := alex.Must(201, "POST", servertest.Invites(slug), dana).Text("data", "id")
		if a := alex.Do("POST", servertest.Invites(slug), dana); a.Code() != "invites.already_pending" || a.Text("error", "data", "id") != inviteID {
			t.Errorf("%s", a.Raw)
		}
		old := s.MailedToken("dana@acme.com")
		if a := alex.Do("POST", servertest.Invites(slug)+"/"+inviteID+"/resend", nil); a.Status != 400 || a.Code() != "invites.resend_cooldown" || a.Header.Get("Retry-After") == "" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		s.Clock.Advance(5 * time.Minute)
		alex.Must(200, "POST", servertest.Invites(slug)+"/"+inviteID+"/resend", nil)
		if a := anyone(s).preview(old); a.Status != 404 || a.Code() != "invites.not_found" {
			t.Errorf("the link from before a resend: %d %s", a.Status, a.Raw)
		}
		fresh := s.MailedToken("dana@acme.com")
		alex.Must(204, "DELETE", servertest.Invites(slug)+"/"+inviteID, nil)
		if a := alex.Do("DELETE", servertest.Invites(slug)+"/"+inviteID, nil); a.Status != 400 || a.Code() != "invites.not_pending" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		if a := anyone(s).preview(fresh); a.Status != 410 || a.Code() != "invites.revoked" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		second := alex.Must(201, "POST", servertest.Invites(slug), dana).Text("data", "id")
		token := s.MailedToken("dana@acme.com")
		s.Clock.Advance(7 * 24 * time.Hour)
		alex.SignIn("alex@acme.com")
		if a := anyone(s).accept(token); a.Status != 410 || a.Code() != "invites.expired" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		if a := alex.Do("POST", servertest.Invites(slug)+"/"+second+"/resend", nil); a.Code() != "invites.not_pending" {
			t.Errorf("%s", a.Raw)
		}
		alex.Must(201, "POST", servertest.Invites(slug), dana)
		sum := alex.Must(200, "GET", servertest.Invites(slug)+"/summary", nil)
		if diff := cmp.Diff(m{"total_invites": 3., "pending_count": 1., "accepted_count": 0., "expired_count": 1., "revoked_count": 1.}, sum.At("data")); diff != "" {
			t.Errorf("summary:\n%s", diff)
		}
		for status, n := range map[string]float64{"pending": 1, "expired": 1, "revoked": 1, "accepted": 0} {
			if a := alex.Must(200, "GET", servertest.Invites(slug)+"?q=COLE&sort_by=name&order=asc&status="+status, nil); a.At("pagination", "item_count") != n {
				t.Errorf("%s: %s", status, a.Raw)
			}
		}
	})
}

func TestOfManyOneWins(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		const n = 50
		check := func(what, loser string, counts map[string]int) {
			t.Helper()
			if diff := cmp.Diff(map[string]int{"ok": 1, loser: n - 1}, counts); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
		c := s.Client()
		c.Must(201, "POST", "/v1/auth/register", servertest.Registration("alex@acme.com"))
		link := s.MailedToken("alex@acme.com")
		check("verify", "auth.link_used", servertest.AtOnce(n, func() string { return servertest.Outcome(c.Do("POST", "/v1/auth/verify-email", m{"token": link})) }))
		c.SignIn("alex@acme.com")
		slug := "acme"
		check("create", "invites.already_pending", servertest.AtOnce(n, func() string { return servertest.Outcome(c.Do("POST", servertest.Invites(slug), dana)) }))
		token := s.MailedToken("dana@acme.com")
		check("accept", "invites.already_accepted", servertest.AtOnce(n, func() string {
			return servertest.Outcome(anyone(s).accept(token))
		}))
		s.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
		reset := s.MailedToken("alex@acme.com")
		check("reset", "auth.link_used", servertest.AtOnce(n, func() string {
			return servertest.Outcome(anyone(s).reset(reset, "Another-Horse-8"))
		}))
		if a := c.Do("GET", "/v1/auth/me", nil); a.Code() != "auth.invalid_token" {
			t.Errorf("a reset must end sessions: %s", a.Raw)
		}
	})
}

func TestRefreshRotatesAndDetectsReuse(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		c := s.Client()
		first := c.Must(200, "POST", "/v1/auth/login", servertest.Credentials("alex@acme.com", servertest.Password))
		c.Token = first.Text("data", "access_token")
		cookie, _, _ := strings.Cut(first.Header.Get("Set-Cookie"), ";")
		stale := s.Client()
		counts := servertest.AtOnce(20, func() string { return servertest.Outcome(stale.Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie)) })
		if diff := cmp.Diff(map[string]int{"ok": 1, "auth.refresh_conflict": 19}, counts); diff != "" {
			t.Errorf("parallel refreshes:\n%s", diff)
		}
		c.Must(200, "GET", "/v1/auth/me", nil)
		s.Clock.Advance(11 * time.Second)
		if a := s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie); a.Status != 401 || a.Code() != "auth.session_revoked" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		if a := c.Do("GET", "/portal/v1/accounts/acme/users", nil); a.Status != 401 {
			t.Errorf("the session goes on after a reuse: %d", a.Status)
		}
		if a := s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie, "Origin", "https://evil.example"); a.Code() != "auth.origin_refused" {
			t.Errorf("%s", a.Raw)
		}
	})
}

func TestMembers(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		alex.Must(201, "POST", servertest.Invites(slug), dana)
		guest := s.Client()
		guest.Must(200, "POST", "/v1/auth/accept-invite", servertest.Acceptance(s.MailedToken("dana@acme.com")))
		guest.SignIn("dana@acme.com")
		owner := alex.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		admin := guest.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		users := "/portal/v1/accounts/" + slug + "/users/"
		members := "/portal/v1/accounts/" + slug + "/members/"
		if a := alex.Do("DELETE", users+owner, nil); a.Code() != "account.last_owner" {
			t.Errorf("%s", a.Raw)
		}
		if a := guest.Do("POST", users+owner+"/deactivate", nil); a.Code() != "auth.permission_denied" {
			t.Errorf("%s", a.Raw)
		}
		if a := guest.Do("PATCH", members+admin, m{"account_role": "owner"}); a.Code() != "auth.permission_denied" {
			t.Errorf("an admin promotes himself: %s", a.Raw)
		}
		alex.Must(200, "POST", users+admin+"/deactivate", nil)
		if a := guest.Do("GET", "/v1/auth/me", nil); a.Status != 401 {
			t.Errorf("a deactivated person's token works: %d", a.Status)
		}
		if a := alex.Do("POST", servertest.Invites(slug), dana); a.Code() != "invites.member_deactivated" {
			t.Errorf("%s", a.Raw)
		}
		alex.Must(200, "POST", users+admin+"/activate", nil)
		alex.Must(200, "PATCH", members+admin, m{"account_role": "owner"})
		guest.SignIn("dana@acme.com")
		counts := map[string]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, x := range []struct {
			by   *client
			whom string
		}{{alex, admin}, {guest, owner}} {
			wg.Go(func() {
				got := servertest.Outcome(x.by.Do("PATCH", members+x.whom, m{"account_role": "admin"}))
				mu.Lock()
				defer mu.Unlock()
				counts[got]++
			})
		}
		wg.Wait()
		if counts["ok"] != 1 {
			t.Errorf("two owners demote each other: %v", counts)
		}
	})
}

// TestOldSignUpGetsANewLink: a sign-up whose link has grown too old can still be
// confirmed by a newer one, under another slug where its own was taken meanwhile,
// until 72 hours have gone.
func TestOldSignUpGetsANewLink(t *testing.T) {
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		guest := s.Client()
		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration("late@acme.com"))
		old := s.MailedToken("late@acme.com")
		s.Clock.Advance(25 * time.Hour)
		if a := guest.Do("POST", "/v1/auth/verify-email", m{"token": old}); a.Code() != "auth.link_expired" {
			t.Errorf("%d %s", a.Status, a.Raw)
		}
		_, slug := s.SignUp("quick@acme.com", servertest.Registration("late@acme.com")["account_name"].(string))
		guest.Must(200, "POST", "/v1/auth/resend-verification", m{"email": "late@acme.com"})
		guest.Must(200, "POST", "/v1/auth/verify-email", m{"token": s.MailedToken("late@acme.com")})
		late := s.Client()
		late.SignIn("late@acme.com")
		if got := late.Must(200, "GET", "/v1/auth/me", nil).Text("data", "account", "account_slug"); got != slug+"-2" {
			t.Errorf("the slug is %s beside %s", got, slug)
		}

		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration("never@acme.com"))
		sent := s.MailedToken("never@acme.com")
		s.Clock.Advance(73 * time.Hour)
		guest.Must(200, "POST", "/v1/auth/resend-verification", m{"email": "never@acme.com"})
		if s.MailedToken("never@acme.com") != sent {
			t.Error("a sign-up that is over got a new link")
		}
	})
}
