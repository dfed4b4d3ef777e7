package portalapi_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

func TestFromSignUpToAcceptedInvite(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme Realty")
		if slug != "acme-realty" {
			t.Errorf("slug is %q", slug)
		}
		a := alex.Must(201, "POST", servertest.Invites(slug), dana)
		data := a.At("data").(m)
		want := strings.Fields("created_at email expires_at first_name id invited_by last_name name status")
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(data))); diff != "" {
			t.Errorf("the nine fields:\n%s", diff)
		}
		if data["email"] != "dana@acme.com" || data["name"] != "Dana Cole" || data["status"] != "pending" {
			t.Errorf("%s", a.Raw)
		}

		token := s.MailedToken("dana@acme.com")
		guest := anyone(s)
		info := guest.preview(token)
		is(t, "preview", info, 200, "")
		preview := m{
			"email": "dana@acme.com", "first_name": "Dana", "last_name": "Cole",
			"intent": "activate", "app_name": "Acme Realty", "inviter_email": "alex@acme.com",
		}
		if diff := cmp.Diff(preview, info.At("data")); diff != "" {
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
		is(t, "a second accept", guest.accept(token), 410, "invites.already_accepted")
		is(t, "a second invite", alex.Do("POST", servertest.Invites(slug), dana), 409, "invites.already_member")
		if strings.Contains(s.Log.String(), token) {
			t.Error("the token is in the log")
		}
	})
}

func TestInviteLifeCycle(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		alex, invites := w.Alex, w.invites()
		inviteID := alex.Must(201, "POST", invites, dana).Text("data", "id")
		pending := alex.Do("POST", invites, dana)
		is(t, "create again", pending, 409, "invites.already_pending")
		if pending.Text("error", "data", "id") != inviteID {
			t.Errorf("the pending one is not named: %s", pending.Raw)
		}

		old := s.MailedToken("dana@acme.com")
		early := alex.Do("POST", invites+"/"+inviteID+"/resend", nil)
		is(t, "resend at once", early, 400, "invites.resend_cooldown")
		if early.Header.Get("Retry-After") == "" {
			t.Error("there is no Retry-After")
		}
		s.Clock.Advance(5 * time.Minute)
		alex.Must(200, "POST", invites+"/"+inviteID+"/resend", nil)
		is(t, "the link from before a resend", w.anyone().preview(old), 404, "invites.not_found")

		fresh := s.MailedToken("dana@acme.com")
		alex.Must(204, "DELETE", invites+"/"+inviteID, nil)
		is(t, "revoke again", alex.Do("DELETE", invites+"/"+inviteID, nil), 400, "invites.not_pending")
		is(t, "the link of a revoked invite", w.anyone().preview(fresh), 410, "invites.revoked")

		second := alex.Must(201, "POST", invites, dana).Text("data", "id")
		token := s.MailedToken("dana@acme.com")
		s.Clock.Advance(7 * 24 * time.Hour)
		alex.SignIn("alex@acme.com")
		is(t, "accept too late", w.anyone().accept(token), 410, "invites.expired")
		is(t, "resend too late", alex.Do("POST", invites+"/"+second+"/resend", nil), 400, "invites.not_pending")

		alex.Must(201, "POST", invites, dana)
		counts := m{
			"total_invites": 3., "pending_count": 1., "accepted_count": 0.,
			"expired_count": 1., "revoked_count": 1.,
		}
		sum := alex.Must(200, "GET", invites+"/summary", nil)
		if diff := cmp.Diff(counts, sum.At("data")); diff != "" {
			t.Errorf("summary:\n%s", diff)
		}
		for status, n := range map[string]float64{"pending": 1, "expired": 1, "revoked": 1, "accepted": 0} {
			a := alex.Must(200, "GET", invites+"?q=COLE&sort_by=name&order=asc&status="+status, nil)
			if a.At("pagination", "item_count") != n {
				t.Errorf("%s: %s", status, a.Raw)
			}
		}
	})
}

func TestOfManyOneWins(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		const n = 50
		check := func(what, loser string, call func() answer) {
			t.Helper()
			counts := servertest.AtOnce(n, func() string { return servertest.Outcome(call()) })
			if diff := cmp.Diff(map[string]int{"ok": 1, loser: n - 1}, counts); diff != "" {
				t.Errorf("%s:\n%s", what, diff)
			}
		}
		c := anyone(s)
		c.Must(201, "POST", "/v1/auth/register", servertest.Registration("alex@acme.com"))
		link := s.MailedToken("alex@acme.com")
		check("verify", "auth.link_used", func() answer { return c.verify(link) })

		c.Must(201, "POST", "/v1/auth/register", servertest.Registration("noa@acme.com"))
		c.Must(201, "POST", "/v1/auth/register", servertest.Registration("noa@acme.com"))
		link = s.MailedToken("noa@acme.com")
		check("verify by password", "auth.link_used", func() answer { return c.prove(link, servertest.Password) })

		c.SignIn("alex@acme.com")
		check("create", "invites.already_pending", func() answer {
			return c.Do("POST", servertest.Invites("acme"), dana)
		})
		token := s.MailedToken("dana@acme.com")
		check("accept", "invites.already_accepted", func() answer { return anyone(s).accept(token) })

		s.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
		reset := s.MailedToken("alex@acme.com")
		check("reset", "auth.link_used", func() answer { return anyone(s).reset(reset, "Another-Horse-8") })
		if a := c.Do("GET", "/v1/auth/me", nil); a.Code() != "auth.invalid_token" {
			t.Errorf("a reset must end sessions: %s", a.Raw)
		}
	})
}

func TestRefreshRotatesAndDetectsReuse(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		_, _ = s.SignUp("alex@acme.com", "Acme")
		c := anyone(s)
		first := c.login("alex@acme.com", servertest.Password)
		is(t, "sign in", first, 200, "")
		c.Token = first.Text("data", "access_token")
		cookie, _, _ := strings.Cut(first.Header.Get("Set-Cookie"), ";")
		counts := servertest.AtOnce(20, func() string {
			// Each has a jar of its own: one that they shared would add the successor.
			return servertest.Outcome(s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie))
		})
		if diff := cmp.Diff(map[string]int{"ok": 20}, counts); diff != "" {
			t.Errorf("parallel refreshes:\n%s", diff)
		}
		c.Must(200, "GET", "/v1/auth/me", nil)

		s.Clock.Advance(31 * time.Second)
		reuse := s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie)
		is(t, "reuse", reuse, 401, "auth.session_revoked")
		if a := c.Do("GET", "/portal/v1/accounts/acme/users", nil); a.Status != 401 {
			t.Errorf("the session goes on after a reuse: %d", a.Status)
		}
		elsewhere := s.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", cookie, "Origin", "https://evil.example")
		is(t, "from another origin", elsewhere, 403, "auth.origin_refused")
	})
}

func TestMembers(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		alex, colleague := w.Alex, w.Join("dana@acme.com")
		owner := alex.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		admin := colleague.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		users := "/portal/v1/accounts/" + w.Slug + "/users/"
		members := "/portal/v1/accounts/" + w.Slug + "/members/"
		is(t, "the last owner leaves", alex.Do("DELETE", users+owner, nil), 409, "account.last_owner")
		is(t, "an admin deactivates the owner",
			colleague.Do("POST", users+owner+"/deactivate", nil), 403, "auth.permission_denied")
		is(t, "an admin promotes herself",
			colleague.Do("PATCH", members+admin, m{"account_role": "owner"}), 403, "auth.permission_denied")

		alex.Must(200, "POST", users+admin+"/deactivate", nil)
		if a := colleague.Do("GET", "/v1/auth/me", nil); a.Status != 401 {
			t.Errorf("a deactivated person's token works: %d", a.Status)
		}
		is(t, "invite the deactivated", alex.Do("POST", w.invites(), dana), 409, "invites.member_deactivated")
		alex.Must(200, "POST", users+admin+"/activate", nil)
		alex.Must(200, "PATCH", members+admin, m{"account_role": "owner"})
		colleague.SignIn("dana@acme.com")

		demotions := make(chan func() answer, 2)
		demotions <- func() answer { return alex.Do("PATCH", members+admin, m{"account_role": "admin"}) }
		demotions <- func() answer { return colleague.Do("PATCH", members+owner, m{"account_role": "admin"}) }
		counts := servertest.AtOnce(2, func() string { return servertest.Outcome((<-demotions)()) })
		if counts["ok"] != 1 {
			t.Errorf("two owners demote each other: %v", counts)
		}
	})
}

// TestOldSignUpGetsANewLink: a sign-up whose link has grown too old can still be
// confirmed by a newer one, under another slug where its own was taken meanwhile,
// until 72 hours have gone.
func TestOldSignUpGetsANewLink(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		guest := anyone(s)
		guest.Must(201, "POST", "/v1/auth/register", servertest.Registration("late@acme.com"))
		old := s.MailedToken("late@acme.com")
		s.Clock.Advance(25 * time.Hour)
		is(t, "the old link", guest.verify(old), 410, "auth.link_expired")
		_, slug := s.SignUp("quick@acme.com", servertest.Registration("late@acme.com")["account_name"].(string))
		guest.Must(200, "POST", "/v1/auth/resend-verification", m{"email": "late@acme.com"})
		is(t, "the new link", guest.verify(s.MailedToken("late@acme.com")), 200, "")
		late := s.Client()
		late.SignIn("late@acme.com")
		me := late.Must(200, "GET", "/v1/auth/me", nil)
		if got := me.Text("data", "account", "account_slug"); got != slug+"-2" {
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
