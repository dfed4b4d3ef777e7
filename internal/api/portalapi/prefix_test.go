package portalapi_test

import (
	"fmt"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// 6. Every strict prefix of every short token is unknown where an invite is looked at and
// where a cookie signs out, and so is each whole one of another purpose. Nothing of it
// uses a token up; the other endpoints are in TestPrefixesOfTokens.
func TestPrefixesAtPreviewAndLogout(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		_, invited := w.Invite("dana@acme.com")
		s.Client().Must(201, "POST", "/v1/auth/register", servertest.Registration("new@acme.com"))
		s.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"})
		refresh := w.Alex.CookieValue("/v1/auth", "canopy_refresh")
		verify, reset := s.MailedToken("new@acme.com"), s.MailedToken("alex@acme.com")
		for kind, token := range map[string]string{
			"invite": invited, "verify": verify, "reset": reset, "refresh": refresh,
		} {
			if len(token) != 43 {
				t.Fatalf("the %s token has %d characters", kind, len(token))
			}
			for end := 1; end <= len(token); end++ {
				what := fmt.Sprintf("%d characters of the %s token", end, kind)
				c := anyone(s)
				if end < len(token) || kind != "invite" {
					is(t, what+" to look at an invite", c.preview(token[:end]), 404, "invites.not_found")
				}
				if end == len(token) && kind == "refresh" {
					continue
				}
				out := c.Do("POST", "/v1/auth/logout", m{"revoke_all": true}, "Cookie", "canopy_refresh="+token[:end])
				is(t, what+" to sign out", out, 401, "auth.invalid_token")
				if !strings.HasPrefix(out.Header.Get("Set-Cookie"), "canopy_refresh=;") {
					t.Errorf("%s to sign out: the cookie is left: %v", what, out.Header)
				}
			}
		}
		is(t, "the session", w.Alex.Do("GET", "/v1/auth/me", nil), 200, "")
		is(t, "the invite", w.anyone().preview(invited), 200, "")
		out := s.Client().Do("POST", "/v1/auth/logout", nil, "Cookie", "canopy_refresh="+refresh)
		is(t, "the whole cookie", out, 200, "")
		is(t, "the sign-up", w.anyone().verify(verify), 200, "")
		is(t, "the reset", w.anyone().reset(reset, "Another-Horse-8"), 200, "")
	})
}
