package apikey_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// TestEveryChangeIsRecorded: one event and one revision each, and nothing where nothing
// changes.
func TestEveryChangeIsRecorded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		ends := clock.Now().Add(time.Hour).Truncate(time.Millisecond)
		var k apikey.Key
		var preview string
		for _, c := range []struct {
			do          func()
			want, label string
		}{
			{
				func() { k, _ = w.make(until(scoped("api_key.view", "audit.view"), ends)) },
				`api_key.created notice {"name":"Backend","access_mode":"scoped","scopes":["api_key.view","audit.view"],` +
					`"expires_at":"` + ends.Format("2006-01-02T15:04:05.000Z") + `"}`, "Backend",
			},
			{
				func() { w.make(full()) },
				`api_key.created warning {"name":"Root","access_mode":"full_access","scopes":[],"expires_at":null}`, "Root",
			},
			{func() { w.setActive(k.ID, true) }, "", ""},
			{func() { w.setActive(k.ID, false) }, `api_key.disabled info {"name":"Backend"}`, "Backend"},
			{func() { w.setActive(k.ID, false) }, "", ""},
			{func() { w.setActive(k.ID, true) }, `api_key.enabled info {"name":"Backend"}`, "Backend"},
			{
				func() { preview = w.rotate(k.ID)[:12] + "****" },
				`api_key.secret_rotated notice {"name":"Backend","key_preview":"<preview>"}`, "Backend",
			},
			{
				func() { w.delete(k.ID) },
				`api_key.deleted notice {"name":"Backend","key_preview":"<preview>"}`, "Backend",
			},
		} {
			before := w.revision()
			c.do()
			var got []string
			for _, row := range eventtest.Take(t, w.DB) {
				got = append(got, row.Action+" "+row.Severity+" "+row.Metadata)
				if row.Category != "api_keys" || row.Outcome != "success" || row.Environment != w.in.ID.Any() ||
					row.Application != w.in.Application.ID.Any() || row.Account != w.in.Application.Account.ID.Any() ||
					row.ResourceType != "api_key" || row.ResourceLabel != c.label || row.ActorID != alex.ID || !row.Visible {
					t.Errorf("%+v", row)
				}
			}
			var want []string
			if c.want != "" {
				want = []string{strings.ReplaceAll(c.want, "<preview>", preview)}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if n := w.revision() - before; n != len(want) {
				t.Errorf("%s: the revision rises by %d", c.want, n)
			}
		}
	})
}

// TestNothingKeepsAValue: no table has a key or, save for the one look-up, its hash.
func TestNothingKeepsAValue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		k, value := w.make(full())
		next := w.rotate(k.ID)
		w.denied(w.by(next), "audit.view", "/api/v1/audit-events")
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{value[5:], next[5:], secret.Hash(value), secret.Hash(next)} {
			for column, table := range map[string]string{
				"name": "api_key", "description": "api_key", "scopes": "api_key", "key_preview": "api_key",
				"metadata": "audit_event", "resource_label": "audit_event", "actor_label": "audit_event", "body": "change",
				"permission": "api_key_denial",
			} {
				n := dbtest.Number(t, w.DB, `SELECT count(*) FROM `+table+` WHERE `+column+` LIKE $1`, "%"+text[:16]+"%")
				if n > 0 {
					t.Errorf("%s of %s has a key or its hash", column, table)
				}
			}
		}
		if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM api_key WHERE key_hash = $1`, secret.Hash(next)); n != 1 {
			t.Error("the hash of the value is not kept")
		}
	})
}

// TestNoKeyMakesAStrongerKey: whatever scoped keys do, in any order, no key that comes of it
// has a scope, a mode or a life beyond that of the one it came of.
func TestNoKeyMakesAStrongerKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		r := rand.New(rand.NewPCG(12, 3))
		w.permit("lease.view")
		scopes := []string{"api_key.manage", "audit.view", "rbac.view_roles", "lease.view", "webhook.view"}
		draw := func() apikey.Draft {
			if r.IntN(6) == 0 {
				return full()
			}
			some := scoped(scopes[0])
			for _, s := range scopes[1:] {
				if r.IntN(2) == 0 {
					some.Scopes = append(some.Scopes, s)
				}
			}
			slices.Sort(some.Scopes)
			if r.IntN(2) == 0 {
				some = until(some, clock.Now().Add(time.Duration(1+r.IntN(5))*time.Hour))
			}
			return some
		}
		// beyond reports whether a key can do more than another.
		beyond := func(k, than apikey.Key) bool {
			return than.Mode == apikey.Scoped && (k.Mode != apikey.Scoped ||
				slices.ContainsFunc(k.Scopes, func(s string) bool { return !slices.Contains(than.Scopes, s) }) ||
				!than.ExpiresAt.IsZero() && (k.ExpiresAt.IsZero() || k.ExpiresAt.After(than.ExpiresAt)))
		}
		for range 12 {
			own, value := w.make(draw())
			caller := w.by(value)
			other, _ := w.make(draw())
			w.setActive(other.ID, false)
			want := "ok"
			if beyond(other, own) {
				want = "api_keys.scope_escalation"
			}
			_, enabled := w.SetActive(t.Context(), caller.Actor, caller, w.in, other.ID, true)
			_, _, rotated := w.Rotate(t.Context(), caller.Actor, caller, w.in, other.ID)
			_, disabled := w.SetActive(t.Context(), caller.Actor, caller, w.in, other.ID, false)
			got := []string{dbtest.Outcome(enabled), dbtest.Outcome(rotated), dbtest.Outcome(disabled)}
			if diff := cmp.Diff([]string{want, want, "ok"}, got); diff != "" {
				t.Errorf("%v of %v:\n%s", own, other, diff)
			}
			d := draw()
			made, _, err := w.Create(t.Context(), caller.Actor, caller, w.in, d)
			asked := apikey.Key{Mode: d.Mode, Scopes: d.Scopes, ExpiresAt: d.ExpiresAt.Time()}
			if allowed := !beyond(asked, own); allowed != (err == nil) || err == nil && beyond(made, own) {
				t.Errorf("%v makes %v: %v", own, d, err)
			}
			if err != nil && dbtest.Outcome(err) != "api_keys.scope_escalation" {
				t.Error(err)
			}
			if w.Delete(t.Context(), caller.Actor, w.in, other.ID) != nil {
				t.Error("a key that may manage can't delete")
			}
		}
	})
}

// TestAKeyMayActOnItself: switching on and rotating give it nothing that it lacks.
func TestAKeyMayActOnItself(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		k, value := w.make(until(scoped("api_key.manage"), clock.Now().Add(time.Hour)))
		caller := w.by(value)
		_, next, err := w.Rotate(t.Context(), caller.Actor, caller, w.in, k.ID)
		if err != nil || w.is(value) || !w.is(next.Reveal()) {
			t.Error("rotate", err)
		}
		if _, err := w.SetActive(t.Context(), caller.Actor, caller, w.in, k.ID, false); err != nil || w.is(next.Reveal()) {
			t.Error("switch off", err)
		}
		// A call that was admitted before runs to its end.
		if _, err := w.SetActive(t.Context(), caller.Actor, caller, w.in, k.ID, true); err != nil || !w.is(next.Reveal()) {
			t.Error("switch on", err)
		}
		if err := w.Delete(t.Context(), caller.Actor, w.in, k.ID); err != nil || w.is(next.Reveal()) {
			t.Error("delete", err)
		}
	})
}

// TestRotationRevivesNothing: a disabled or expired key gets a new value and stays what it
// is.
func TestRotationRevivesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		off, _ := w.make(full())
		w.setActive(off.ID, false)
		late, _ := w.make(until(full(), clock.Now().Add(time.Minute)))
		clock.Advance(time.Hour)
		for _, k := range []apikey.Key{off, late} {
			if w.is(w.rotate(k.ID)) {
				t.Errorf("%v was revived", k)
			}
		}
		w.setActive(late.ID, false)
		w.setActive(late.ID, true)
		if w.is(w.rotate(late.ID)) {
			t.Error("an expired key was revived")
		}
		if list := w.list(); len(list) != 2 {
			t.Errorf("%v", list)
		}
	})
}

// TestKeysOfAnotherEnvironmentAreUnknown, also to a key with full access.
func TestKeysOfAnotherEnvironmentAreUnknown(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		there, _ := w.make(full())
		_ = eventtest.Take(t, w.DB)
		for _, of := range []apikey.ID{there.ID, id.New[apikey.ID](time.Now())} {
			_, set := w.SetActive(t.Context(), alex.Actor, alex, w.other, of, false)
			_, _, rotated := w.Rotate(t.Context(), alex.Actor, alex, w.other, of)
			deleted := w.Delete(t.Context(), alex.Actor, w.other, of)
			for _, err := range []error{set, rotated, deleted} {
				if dbtest.Outcome(err) != "api_keys.not_found" {
					t.Error(err)
				}
			}
		}
		if rows := eventtest.Take(t, w.DB); len(rows) > 0 || len(w.list()) != 1 {
			t.Error(rows)
		}
	})
}

// TestRefusedCreations: what is wrong with it is told before the limit, and counts.
func TestRefusedCreations(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, clock *dbtest.Clock) {
		w.Limits = ratelimit.New(w.DB, ratelimit.Rules{ratelimit.APIKeyCreate: {Count: 6, Period: time.Minute}})
		weak := principal.Key{}
		create := func(caller principal.Principal, d apikey.Draft) error {
			_, _, err := w.Create(t.Context(), alex.Actor, caller, w.in, d)
			return err
		}
		expect := func(want string, err error) {
			t.Helper()
			if got := dbtest.Outcome(err); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		w.Most = 2
		refused := func() {
			t.Helper()
			unknown := create(alex, scoped("audit.view", "lease.edit", "no.such"))
			expect("api_keys.scope_unknown", unknown)
			if diff := cmp.Diff(`{[lease.edit no.such]}`, fmt.Sprint(fault.As(unknown).Data)); diff != "" {
				t.Error(diff)
			}
			expect("api_keys.scope_escalation", create(weak, scoped("no.such")))
			expect("validation", create(alex, until(full(), clock.Now())))
		}
		refused()
		expect("ok", create(alex, full()))
		expect("ok", create(alex, full()))
		expect("api_keys.limit_reached", create(alex, full()))
		// Six were counted: three that failed, two that did not, and the one beyond the limit.
		refused()
		w.Most = 10
		expect("rate_limit.exceeded", create(alex, full()))
		other := w
		other.in = w.other
		_, _, err := other.Create(t.Context(), alex.Actor, alex, w.other, full())
		expect("rate_limit.exceeded", err) // of the same Application
		clock.Advance(time.Minute)
		expect("ok", create(alex, full()))
		if n := len(w.list()); n != 3 {
			t.Errorf("%d keys", n)
		}
	})
}

// TestLimitHoldsUnderRace: of many at once no more come through than there is room for.
func TestLimitHoldsUnderRace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		w.Most = 3
		got := dbtest.AtOnce(10, func() string {
			_, _, err := w.Create(t.Context(), alex.Actor, alex, w.in, full())
			return dbtest.Outcome(err)
		})
		if diff := cmp.Diff(map[string]int{"ok": 3, "api_keys.limit_reached": 7}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// TestListPages: sorted and searched without regard to case, each key once.
func TestListPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		for _, name := range []string{"straße", "Alpha", "STRASSE 2", "beta", "100%"} {
			d := full()
			d.Name = name
			w.make(d)
		}
		there := w
		there.in = w.other
		there.make(full())
		names := func(r page.Request) (list []string) {
			keys, info, err := w.List(t.Context(), w.in, r)
			if err != nil || info.Page != r.Page {
				t.Fatal(info, err)
			}
			for _, k := range keys {
				list = append(list, k.Name)
			}
			return list
		}
		byTime, byName := apikey.Sorts[0], apikey.Sorts[1]
		for _, c := range []struct {
			r    page.Request
			want []string
		}{
			{page.Request{Page: 1, Take: 2, Sort: byTime, Desc: true}, []string{"100%", "beta"}},
			{page.Request{Page: 3, Take: 2, Sort: byTime, Desc: true}, []string{"straße"}},
			{page.Request{Page: 4, Take: 2, Sort: byTime, Desc: true}, nil},
			{page.Request{Page: 1, Take: 9, Sort: byName}, []string{"100%", "Alpha", "beta", "straße", "STRASSE 2"}},
			{page.Request{Page: 1, Take: 9, Sort: byName, Q: "Strasse"}, []string{"straße", "STRASSE 2"}},
			{page.Request{Page: 1, Take: 9, Sort: byName, Q: "%"}, []string{"100%"}},
			{page.Request{Page: 1, Take: 9, Sort: byName, Q: "_"}, nil},
		} {
			if diff := cmp.Diff(c.want, names(c.r)); diff != "" {
				t.Errorf("%+v:\n%s", c.r, diff)
			}
		}
	})
}

// TestPartLeavesNothing of a deleted Environment.
func TestPartLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w world, _ *dbtest.Clock) {
		_, value := w.make(full())
		w.denied(w.by(value), "audit.view", "/x")
		if err := w.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		dbtest.Do(t, w.DB, func(tx *database.Tx) error {
			_, err := apikey.Part{}.Cut(t.Context(), tx, w.in)
			return err
		})
		for _, table := range []string{"api_key", "api_key_use"} {
			if n := dbtest.Number(t, w.DB, `SELECT count(*) FROM `+table); n != 0 {
				t.Errorf("%d rows in %s", n, table)
			}
		}
	})
}
