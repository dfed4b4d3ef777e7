package portalapi_test

import (
	"net/http"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// refreshCookie is the refresh cookie that an answer sets, "" if it sets none.
func refreshCookie(t *testing.T, a answer) string {
	t.Helper()
	for _, line := range a.Header.Values("Set-Cookie") {
		cookie, err := http.ParseSetCookie(line)
		if err != nil {
			t.Fatal(err)
		}
		if cookie.Name == "canopy_refresh" {
			return cookie.Value
		}
	}
	return ""
}

// switching is Kim of preAuth, signed in to one of two Accounts.
type switching struct {
	world
	t       *testing.T
	token   string
	cookie  string
	targets []m // the bodies that switch, the present Application's first
}

func (w world) switching(t *testing.T) switching {
	t.Helper()
	k := switching{world: w, t: t}
	c := w.Client()
	c.Token = w.preAuth(t)
	_, bodies := choices(w.Server)
	a := c.Must(200, "POST", "/v1/auth/select-application", bodies[w.Slug])
	k.token, k.cookie = a.Text("data", "access_token"), refreshCookie(t, a)
	for _, slug := range []string{w.Slug, "initech"} {
		k.targets = append(k.targets, m{"application_id": bodies[slug]["application_id"]})
	}
	return k
}

// switches goes to an Application with the access token and, where one is given, a
// cookie.
func (k switching) switches(to m, cookie string) answer {
	k.t.Helper()
	c := k.Client()
	c.Token = k.token
	if cookie == "" {
		return c.Must(200, "POST", "/v1/auth/switch-application", to)
	}
	return c.Must(200, "POST", "/v1/auth/switch-application", to, "Cookie", "canopy_refresh="+cookie)
}

func (k switching) refreshes(cookie string) answer {
	k.t.Helper()
	return k.Client().Do("POST", "/v1/auth/refresh", nil, "Cookie", "canopy_refresh="+cookie)
}

// at complains unless the token of an answer is bound to the Account that was switched to.
func (k switching) at(a answer) {
	k.t.Helper()
	c := k.Client()
	c.Token = a.Text("data", "access_token")
	me := c.Must(200, "GET", "/v1/auth/me", nil)
	if got := me.Text("data", "account", "account_slug"); got != "initech" {
		k.t.Errorf("bound to %s", got)
	}
}

// 4. An access token alone never becomes a refresh token: a switch with no cookie, or with
// one that is not the session's present one, sets none, and leaves the session's good.
func TestSwitchWithoutTheCookieSetsNone(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		k := w.switching(t)
		for what, cookie := range map[string]string{
			"no cookie": "", "an unknown cookie": "x", "another session's": w.Alex.CookieValue("/v1/auth", "canopy_refresh"),
			"two cookies": k.cookie + "; canopy_refresh=planted",
		} {
			a := k.switches(k.targets[1], cookie)
			k.at(a)
			if set := a.Header.Values("Set-Cookie"); set != nil {
				t.Errorf("%s: Set-Cookie: %q", what, set)
			}
			k.switches(k.targets[0], cookie)
		}
		k.switches(k.targets[1], "")
		is(t, "the other session's cookie", w.Alex.Do("POST", "/v1/auth/refresh", nil), 200, "")
		renewed := k.refreshes(k.cookie)
		is(t, "the session's cookie", renewed, 200, "")
		k.at(renewed)
		// It has been used by now, so it is no more the present one.
		if a := k.switches(k.targets[0], k.cookie); refreshCookie(t, a) != "" {
			t.Errorf("a used cookie: Set-Cookie: %q", a.Header.Values("Set-Cookie"))
		}
		is(t, "the present one", k.refreshes(refreshCookie(t, renewed)), 200, "")
	})
}

// With the session's present cookie a switch renews it as refresh does: the old one has
// been used, its repeat gets the same new one, and later ends the session.
func TestSwitchWithTheCookieRenewsIt(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *server) {
		w := world{s.Acme()}
		k := w.switching(t)
		a := k.switches(k.targets[1], k.cookie)
		fresh := refreshCookie(t, a)
		if fresh == "" || fresh == k.cookie {
			t.Fatalf("the cookie is not new: %q", a.Header.Values("Set-Cookie"))
		}
		k.at(a)
		repeat := k.refreshes(k.cookie)
		is(t, "the old one at once", repeat, 200, "")
		if refreshCookie(t, repeat) != fresh {
			t.Error("the repeat got another successor")
		}
		used := k.refreshes(fresh)
		is(t, "the new one", used, 200, "")
		k.at(used)
		is(t, "the old one after it", k.refreshes(k.cookie), 401, "auth.session_revoked")
		is(t, "the newest then", k.refreshes(refreshCookie(t, used)), 401, "auth.session_revoked")
	})
}
