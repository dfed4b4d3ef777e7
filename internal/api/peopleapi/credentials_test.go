package peopleapi_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// count is how many rows of a table are about an identity.
func count(t *testing.T, s *servertest.Server, table, id, condition string) int {
	t.Helper()
	return dbtest.Number(t, s.DB, `SELECT count(*) FROM `+table+` WHERE identity_id = $1 AND `+condition, id)
}

// TestPasswordSet: the old one is remembered and of no use, and what it opened is closed.
func TestPasswordSet(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		path := in + "/identities/" + id
		state := func() servertest.Answer { return c.Must(200, "GET", path+"/auth-state", nil) }
		if a := state(); a.At("data", "password_set") != any(false) || a.At("data", "locked") != any(false) {
			t.Error(a.Raw)
		}
		for name, bad := range map[string]m{
			"a short one": {"password": "1234567"}, "a long one": {"password": strings.Repeat("x", 65)},
			"the address": {"password": "DANA@acme.com"}, "none": {}, "null": {"password": nil},
			"another field": {"password": "correct horse", "email": "x"},
		} {
			if a := c.Do("POST", path+"/password", bad); a.Code() != "validation" {
				t.Errorf("%s: %s", name, a.Raw)
			}
		}
		if a := c.Do("POST", path+"/password", m{"password": "password1"}); a.Code() != "identities.password_breached" {
			t.Error(a.Raw)
		}
		c.Must(204, "POST", path+"/password", m{"password": "the first secret"})
		c.Must(204, "POST", path+"/password/reset", nil)
		signedIn(t, s, id, "development")
		dbtest.Exec(t, s.DB, `UPDATE identity SET wrong_passwords = 10, locked_until = $1 WHERE id = $2`,
			s.Clock.Now().Add(9e11), id)
		if a := state(); a.At("data", "locked") != any(true) || a.At("data", "failed_login_attempts") != 10. {
			t.Error(a.Raw)
		}
		_ = events(t, s, id)
		c.Must(204, "POST", path+"/password", m{"password": "the second secret"})
		told := `{"revoked_count":1,"reason":"password_set"}`
		want := "identity.password.admin_set E {}\nsession.all_revoked A " + told + "\nsession.all_revoked E " + told
		if diff := cmp.Diff(want, events(t, s, id)); diff != "" {
			t.Error(diff)
		}
		a := state()
		if a.At("data", "password_set") != any(true) || a.At("data", "locked") != any(false) ||
			a.At("data", "locked_until") != nil ||
			a.At("data", "failed_login_attempts") != 0. {
			t.Error(a.Raw)
		}
		if n := count(t, s, "identity_password", id, "1 = 1"); n != 1 {
			t.Errorf("%d passwords are remembered", n)
		}
		if n := count(t, s, "identity_link", id, "status = 'live'"); n != 0 {
			t.Errorf("%d links are live", n)
		}
		holdsNothing(t, s, "secret")
		holdsNothing(t, s, "password1")
	})
}

// holdsNothing tells where the log or an audit row holds a text.
func holdsNothing(t *testing.T, s *servertest.Server, text string) {
	t.Helper()
	if strings.Contains(s.Log.String(), text) {
		t.Errorf("the log holds %q", text)
	}
	if n := dbtest.Number(t, s.DB, `SELECT count(*) FROM audit_event WHERE metadata LIKE $1`, "%"+text+"%"); n != 0 {
		t.Errorf("%d audit rows hold %q", n, text)
	}
}

// TestMailedLinks: each purpose has one live link, which nobody but the mail is told.
func TestMailedLinks(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		_ = events(t, s, id)
		c.Must(204, "POST", in+"/identities/"+id+"/password/reset", nil)
		first := s.MailedToken("dana@acme.com")
		c.Must(200, "POST", account+"/identities/"+id+"/reset-password", nil)
		second := s.MailedToken("dana@acme.com")
		if first == second || count(t, s, "identity_link", id, "status = 'live'") != 1 {
			t.Error("the first link is as good as the second")
		}
		mail := s.Mail.Messages()[len(s.Mail.Messages())-1]
		if !strings.Contains(mail.Text, s.URL+"/app/identity/reset-password#token="+second) ||
			!strings.Contains(mail.Text, "Acme") {
			t.Error(mail.Text)
		}
		c.Must(200, "POST", account+"/identities/"+id+"/resend-verification", nil)
		third := s.MailedToken("dana@acme.com")
		if count(t, s, "identity_link", id, "status = 'live'") != 2 {
			t.Error("a verification kills a reset")
		}
		want := "identity.password.admin_reset_requested A {}\nidentity.password.admin_reset_requested E {}\n" +
			"identity.verification.admin_resent A {}"
		if diff := cmp.Diff(want, events(t, s, id)); diff != "" {
			t.Error(diff)
		}
		for _, token := range []string{first, second, third} {
			holdsNothing(t, s, token)
		}
		// A mail that waits goes with its link.
		c.Must(204, "POST", in+"/identities/"+id+"/password/reset", nil)
		c.Must(204, "POST", in+"/identities/"+id+"/password", m{"password": "a new password"})
		before := len(s.Mail.Messages())
		s.Deliver()
		if n := len(s.Mail.Messages()); n != before {
			t.Errorf("%d mails went out", n-before)
		}
	})
}

// TestMailLimit: over the limit nothing is changed.
func TestMailLimit(t *testing.T) {
	t.Parallel()
	limit := func(set *config.Settings) { set.RateLimits = "mail_recipient=1/1h" }
	servertest.Each(t, limit, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		c.Must(204, "POST", in+"/identities/"+id+"/password/reset", nil)
		_ = events(t, s, id)
		if a := c.Do("POST", in+"/identities/"+id+"/password/reset", nil); a.Code() != "rate_limit.exceeded" {
			t.Error(a.Raw)
		}
		if got := events(t, s, id); got != "" || count(t, s, "identity_link", id, "status = 'live'") != 1 {
			t.Error(got)
		}
	})
}

// TestVerifyTwice writes one audit row.
func TestVerifyTwice(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		_ = events(t, s, id)
		c.Must(204, "POST", in+"/identities/"+id+"/verify-email", nil)
		at := c.Must(200, "GET", in+"/identities/"+id+"/auth-state", nil).At("data", "email_verified_at")
		c.Must(204, "POST", in+"/identities/"+id+"/verify-email", nil)
		if got := events(t, s, id); got != `identity.email.admin_verified E {"email":"dana@acme.com"}` {
			t.Error(got)
		}
		a := c.Must(200, "GET", in+"/identities/"+id+"/auth-state", nil)
		if at == nil || a.At("data", "email_verified_at") != at || a.At("data", "email_verified") != any(true) {
			t.Error(a.Raw)
		}
	})
}

// TestFactorsReset: factors and devices go, codes are spent, sessions stay.
func TestFactorsReset(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		c, account := s.Provoker().Owner()
		in := account + development
		id := created(c, in, "dana@acme.com")
		signedIn(t, s, id, "development")
		for _, statement := range []string{
			`INSERT INTO identity_factor (id, account_id, identity_id, kind, label, webauthn_rp_id, enrolled_at)
				SELECT id, account_id, id, 'webauthn', 'Key', 'acme.example', created_at FROM identity WHERE id = $1`,
			`INSERT INTO identity_recovery_code (identity_id, code_hash, account_id, generation, created_at, spent_at)
				SELECT id, 'old', account_id, 1, created_at, NULL FROM identity WHERE id = $1`,
			`INSERT INTO identity_recovery_code (identity_id, code_hash, account_id, generation, created_at, spent_at)
				SELECT id, 'spent', account_id, 2, created_at, created_at FROM identity WHERE id = $1`,
			`INSERT INTO identity_recovery_code (identity_id, code_hash, account_id, generation, created_at, spent_at)
				SELECT id, 'left', account_id, 2, created_at, NULL FROM identity WHERE id = $1`,
			`INSERT INTO identity_device (id, account_id, environment_id, identity_id, token_hash, created_at, last_seen_at)
				SELECT id, account_id, environment_id, identity_id, 'x', created_at, created_at FROM membership
				WHERE identity_id = $1`,
		} {
			dbtest.Exec(t, s.DB, statement, id)
		}
		a := c.Must(200, "GET", account+"/identities/"+id+"/mfa", nil)
		if a.Text("data", "factors", "0", "type") != "webauthn" || a.At("data", "recovery_codes_generation") != 2. ||
			a.At("data", "recovery_codes_remaining") != 1. || a.At("data", "mfa_admin_reset_at") != nil {
			t.Error(a.Raw)
		}
		_ = events(t, s, id)
		c.Must(200, "POST", account+"/identities/"+id+"/mfa/reset", nil)
		want := `identity.mfa.admin.forced_reset A {"factors_removed":1,"trusted_devices_removed":1}`
		if got := events(t, s, id); got != want {
			t.Error(got)
		}
		a = c.Must(200, "GET", in+"/identities/"+id+"/mfa", nil)
		if a.At("data", "factors", "0") != nil || a.At("data", "recovery_codes_generation") != 2. ||
			a.At("data", "recovery_codes_remaining") != 0. || a.At("data", "mfa_admin_reset_at") == nil {
			t.Error(a.Raw)
		}
		if n := count(t, s, "identity_session", id, "ended_at IS NULL"); n != 1 {
			t.Errorf("%d sessions", n)
		}
	})
}
