package accessapi_test

import (
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/server/servertest"
)

// TestBoundedConsistency: who says so is answered from what was proven within that time where
// nothing can be proven now; nobody else is, and nobody after that time.
func TestBoundedConsistency(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		key := s.Client()
		value := w.Key(w.at, "permissions.evaluate", "identity.view")
		body := m{"identity_id": w.ann, "permission": "lease.read", "scope": "app_wide"}
		ask := func(consistency string) (int, string) {
			headers := []string{"X-API-Key", value}
			if consistency != "" {
				headers = append(headers, "Canopy-Consistency", consistency)
			}
			a := key.Do("POST", "/api/v1/permissions/evaluate", body, headers...)
			return a.Status, a.Header.Get("Canopy-Consistency")
		}
		for _, fresh := range []string{"", "strict", "bounded; max-age=5", "bounded;max-age=300"} {
			if status, told := ask(fresh); status != 200 || told != "strict" {
				t.Errorf("%q: %d %q", fresh, status, told)
			}
		}
		for _, bad := range []string{
			"bounded", "bounded; max-age=0", "bounded; max-age=301", "bounded; max-age=05", "bounded; max-age=-1", "Strict",
			"bounded; max-age=1.5", "bounded; max-age=5; more", "strict, strict", "eventual",
			"bounded; max-age=99999999999999999999",
		} {
			if status, _ := ask(bad); status != 400 {
				t.Errorf("%q: %d", bad, status)
			}
		}
		if s.DB.Engine != database.Postgres {
			return // where one process writes, there is nothing to prove
		}
		// What proofs read is out of reach; nothing else is.
		dbtest.Exec(t, s.DB, `ALTER TABLE revision RENAME TO revision_lost`)
		s.Clock.Advance(2 * time.Second)
		if status, _ := ask(""); status < 500 {
			t.Errorf("strict: %d", status)
		}
		if status, told := ask("bounded; max-age=5"); status != 200 ||
			!strings.HasPrefix(told, "bounded; age=2.") {
			t.Errorf("within the time: %d %q", status, told)
		}
		held := key.Do("GET", "/api/v1/identities/"+w.ann+"/permissions", nil,
			"X-API-Key", value, "Canopy-Consistency", "bounded; max-age=5")
		if held.Status != 200 || held.Header.Get("Canopy-Consistency") == "strict" {
			t.Errorf("a list: %d %v", held.Status, held.Header)
		}
		if a := key.Do("GET", "/api/v1/identities/"+w.ann, nil, "X-API-Key", value,
			"Canopy-Consistency", "bounded; max-age=5"); a.Status < 500 {
			t.Errorf("what is no decision: %d", a.Status)
		}
		if status, _ := ask("bounded; max-age=1"); status < 500 {
			t.Errorf("an older proof than wanted: %d", status)
		}
		s.Clock.Advance(4 * time.Second)
		if status, _ := ask("bounded; max-age=5"); status < 500 {
			t.Errorf("after the time: %d", status)
		}
		s.Clock.Advance(-time.Hour)
		if status, _ := ask("bounded; max-age=300"); status < 500 {
			t.Errorf("a proof from the future: %d", status)
		}
		dbtest.Exec(t, s.DB, `ALTER TABLE revision_lost RENAME TO revision`)
		if status, told := ask("bounded; max-age=5"); status != 200 || told != "strict" {
			t.Errorf("afterwards: %d %q", status, told)
		}
	})
}
