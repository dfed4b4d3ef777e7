package peopleapi_test

import (
	"os"
	"path/filepath"
	"testing"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestBreachedPasswordsAsSet: a list of one's own takes the place of the bundled one, for every
// way to a password; off refuses nothing.
func TestBreachedPasswordsAsSet(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "list.txt")
	listed := "07FCF3A4F86AF79C6F68A7F93AEA79ABB7B9F6E8:3\n" + // stands before it
		"ABF7AAD6438836DBE526AA231ABDE2D0EEF74D42:1\n" // of "correct horse battery staple"
	if err := os.WriteFile(path, []byte(listed), 0o600); err != nil {
		t.Fatal(err)
	}
	const own, bundled = "correct horse battery staple", "password1"
	for setting, breached := range map[string][]string{"bundled": {bundled}, "off": {}, path: {own}} {
		t.Run(filepath.Base(setting), func(t *testing.T) {
			t.Parallel()
			change := func(s *config.Settings) { s.Breached = setting }
			servertest.Each(t, change, func(t *testing.T, s *servertest.Server) {
				c, account := s.Provoker().Owner()
				in := account + development
				dana := in + "/identities/" + created(c, in, "dana@acme.com") + "/password"
				for _, password := range []string{own, bundled} {
					refused := len(breached) > 0 && breached[0] == password
					set, body := 204, person(password[:4]+"@acme.com")
					made := 201
					if refused {
						set, made = 400, 400
					}
					body["password"] = password
					a, b := c.Must(set, "POST", dana, m{"password": password}), c.Must(made, "POST", in+"/identities", body)
					if refused && (a.Code() != "identities.password_breached" || b.Code() != a.Code()) {
						t.Errorf("%s: %s, %s", password, a.Raw, b.Raw)
					}
				}
			})
		})
	}
}

// TestPasswordHistoryAsSet: replaced passwords are remembered, unless nothing is to be.
func TestPasswordHistoryAsSet(t *testing.T) {
	t.Parallel()
	for name, history := range map[string]int{"some": 1, "none": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			change := func(s *config.Settings) { s.PasswordHistory = history }
			servertest.Each(t, change, func(t *testing.T, s *servertest.Server) {
				c, account := s.Provoker().Owner()
				in := account + development
				id := created(c, in, "dana@acme.com")
				for range 27 {
					c.Must(204, "POST", in+"/identities/"+id+"/password", m{"password": "one of many secrets"})
				}
				want := 24 // the setting may grow
				if history == 0 {
					want = 0
				}
				if n := count(t, s, "identity_password", id, "1 = 1"); n != want {
					t.Errorf("%d passwords are remembered, want %d", n, want)
				}
			})
		})
	}
}
