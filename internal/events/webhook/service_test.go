package webhook_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func TestSubscriptionsThatAreRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		w.Most = 2
		create := func(in delivery.Place, url string, types ...string) string {
			_, _, err := w.Create(t.Context(), alex, in, webhook.Draft{URL: url, EventTypes: types})
			return dbtest.Outcome(err)
		}
		const good = "https://93.184.215.14/"
		for _, c := range []struct {
			what, got, want string
		}{
			{"unknown type", create(w.env, good, "thing.gone"), "webhooks.unsupported_event"},
			{"type of Accounts", create(w.env, good, "person.joined"), "webhooks.unsupported_event"},
			{"private", create(w.env, "https://10.0.0.1/", "*"), "webhooks.url_refused"},
			{"http", create(w.env, "http://93.184.215.14/", "*"), "webhooks.url_refused"},
			{"first", create(w.env, good, "*"), "ok"},
			{"second", create(w.env, good, "thing.happened"), "ok"},
			{"third", create(w.env, good, "*"), "webhooks.limit_reached"},
			{"elsewhere", create(w.other, good, "*"), "ok"},
			{"of the Account", create(w.account, good, "person.joined", "thing.happened"), "ok"},
		} {
			if c.got != c.want {
				t.Errorf("%s: %s, want %s", c.what, c.got, c.want)
			}
		}
	})
}

func TestRulesOfADraft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		url   string
		types []string
		want  string
	}{
		{"https://a.example/x?y=z", []string{"*"}, ""},
		{"http://a.example", []string{"a.b", "c.d"}, ""},
		{"", []string{"*"}, "url"},
		{"a.example", []string{"*"}, "url"},
		{"https://u@a.example/", []string{"*"}, "url"},
		{"https://a.example/#x", []string{"*"}, "url"},
		{"https:///x", []string{"*"}, "url"},
		{"https://a.example/" + strings.Repeat("x", 2048), []string{"*"}, "url"},
		{"https://a.example/", nil, "event_types"},
		{"https://a.example/", []string{}, "event_types"},
		{"https://a.example/", []string{"*", "a.b"}, "event_types"},
		{"https://a.example/", []string{"a.b", "a.b"}, "event_types"},
	} {
		problems := text.Normalize(&webhook.Draft{URL: c.url, EventTypes: c.types})
		if (len(problems) == 0) != (c.want == "") || !strings.Contains(fmt.Sprint(problems), c.want) {
			t.Errorf("%.40q %v: %v, want %q", c.url, c.types, problems, c.want)
		}
	}
}

// TestChangesCountForWhatIsQueued: another receiver, fewer types, off.
func TestChangesCountForWhatIsQueued(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		before, after := receive(t, nil), receive(t, nil)
		s, _ := w.subscribe(w.env, before.URL)
		change := func(c webhook.Change) {
			t.Helper()
			if _, err := w.Update(t.Context(), alex, w.env, s.ID, c); err != nil {
				t.Fatal(err)
			}
		}
		w.record(w.env, happened, id.ID{7}, "a")
		w.record(w.env, changed, id.ID{7}, "b")
		change(webhook.Change{URL: &after.URL, EventTypes: []string{"thing.changed"}})
		w.run()
		if a, b := before.take(), after.take(); len(a) != 0 || len(b) != 1 || b[0].event() != "thing.changed" {
			t.Error(a, b)
		}
		w.record(w.env, changed, id.ID{7}, "c")
		change(webhook.Change{IsActive: new(false)})
		w.record(w.env, changed, id.ID{7}, "d")
		change(webhook.Change{IsActive: new(true)})
		w.record(w.env, changed, id.ID{7}, "e")
		w.run()
		if got := after.take(); len(got) != 1 || !strings.Contains(got[0].body, `"name":"e"`) {
			t.Error(got)
		}
		_ = eventtest.Take(t, w.db)
		change(webhook.Change{IsActive: new(true), URL: &after.URL, EventTypes: []string{"thing.changed"}})
		if got := eventtest.Take(t, w.db); len(got) != 0 {
			t.Errorf("nothing was changed, and recorded: %v", got)
		}
		w.record(w.env, changed, id.ID{7}, "f")
		if err := w.Delete(t.Context(), alex, w.env, s.ID); err != nil {
			t.Fatal(err)
		}
		if w.run() != 0 || len(after.take()) != 0 || dbtest.Number(t, w.db, `SELECT count(*) FROM webhook_delivery`) != 0 {
			t.Error("a subscription that is gone is served")
		}
	})
}

// TestPlacesAreApart: no subscription is found from elsewhere.
func TestPlacesAreApart(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, _ := w.subscribe(w.env, receive(t, nil).URL)
		w.record(w.env, happened, id.ID{7}, "a")
		d := w.only(s)
		mine, _ := w.subscribe(w.other, receive(t, nil).URL)
		foreign := newWorld(t, w.db, w.clock, outConfig)
		for _, in := range []delivery.Place{w.other, w.account, foreign.account, foreign.env} {
			_, err1 := w.Get(t.Context(), in, s.ID)
			_, err2 := w.Update(t.Context(), alex, in, s.ID, webhook.Change{IsActive: new(false)})
			_, _, err3 := w.Rotate(t.Context(), alex, in, s.ID, webhook.SecretChange{})
			_, err4 := w.Delivery(t.Context(), in, s.ID, d.ID)
			_, err5 := w.Retry(t.Context(), in, s.ID, d.ID)
			_, err6 := w.Test(t.Context(), alex, in, s.ID)
			_, err7 := w.Delivery(t.Context(), in, mine.ID, d.ID)
			err8 := w.Delete(t.Context(), alex, in, s.ID)
			for n, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
				if !errors.Is(err, webhook.ErrNotFound) {
					t.Errorf("%d: %v", n, err)
				}
			}
		}
		if got := w.only(s); got.Status != delivery.Pending {
			t.Errorf("%+v", got)
		}
	})
}

func TestRetryStartsOver(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		code := atomic.Int32{}
		code.Store(500)
		r := receive(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(int(code.Load())) })
		s, _ := w.subscribe(w.env, r.URL)
		w.record(w.env, happened, id.ID{7}, "a")
		dbtest.Exec(t, w.db, `UPDATE webhook_delivery SET attempts = 9`)
		w.run()
		d := w.only(s)
		if d.Status != delivery.Failed {
			t.Fatal(d)
		}
		code.Store(200)
		again, err := w.Retry(t.Context(), w.env, s.ID, d.ID)
		if err != nil || again.Status != delivery.Pending || again.Attempts != 0 || again.ID != d.ID {
			t.Errorf("%+v, %v", again, err)
		}
		w.run()
		if d := w.only(s); d.Status != delivery.Success || d.Attempts != 1 {
			t.Errorf("%+v", d)
		}
		if g := r.take(); len(g) != 2 || g[0].body != g[1].body || g[0].Get("Webhook-Id") != g[1].Get("Webhook-Id") {
			t.Error(g)
		}
	})
}

// TestOfOneAlone goes to one subscription, also to one that is switched off.
func TestOfOneAlone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		mine, other := receive(t, nil), receive(t, nil)
		s, _ := w.subscribe(w.env, mine.URL, "thing.changed")
		w.subscribe(w.env, other.URL)
		if _, err := w.Update(t.Context(), alex, w.env, s.ID, webhook.Change{IsActive: new(false)}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Test(t.Context(), alex, w.env, s.ID); err != nil {
			t.Fatal(err)
		}
		w.run()
		g := mine.take()
		if len(g) != 1 || g[0].event() != "webhook.test" || !strings.Contains(g[0].body, `"metadata":{}`) ||
			len(other.take()) != 0 {
			t.Error(g)
		}
	})
}

func TestReplay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		s, _ := w.subscribe(w.env, r.URL)
		wide, _ := w.subscribe(w.account, receive(t, nil).URL)
		from := w.db.Now()
		w.record(w.env, happened, id.ID{7}, "a")
		w.record(w.env, changed, id.ID{7}, "b")
		dbtest.Do(t, w.db, func(tx *database.Tx) error {
			return errors.Join(record(t.Context(), tx, w.env, happened, id.ID{7}, "c"),
				record(t.Context(), tx, w.account, happened, id.ID{7}, "c"))
		})
		w.record(w.other, happened, id.ID{7}, "elsewhere")
		w.clock.Advance(time.Second)
		to := w.db.Now()
		w.clock.Advance(time.Second)
		replay := func(s delivery.Subscription, want string, types []string, failed bool) {
			t.Helper()
			n, err := w.Replay(t.Context(), alex, s.Place, s.ID, webhook.Range{
				From: text.InstantOf(from), To: text.InstantOf(to), EventTypes: types, FailedOnly: failed,
			})
			if got := fmt.Sprint(n, " ", dbtest.Outcome(err)); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		replay(s, "0 ok", nil, false) // all are queued already
		w.run()
		first := r.take()
		replay(s, "0 ok", nil, true)
		replay(s, "3 ok", nil, false)
		replay(s, "0 webhooks.replay_running", nil, false)
		w.run()
		second := r.take()
		if len(first) != 3 || len(second) != 3 {
			t.Fatal(first, second)
		}
		bodies := map[string]string{}
		for _, g := range first {
			bodies[g.Get("Webhook-Id")] = g.body
		}
		for _, g := range second {
			if bodies[g.Get("Webhook-Id")] != g.body {
				t.Errorf("%s was sent as another", g.body)
			}
		}
		replay(s, "1 ok", []string{"thing.changed"}, false)
		replay(wide, "4 ok", nil, false) // the Account's row stands for that of its Environment
		replay(s, "0 webhooks.unsupported_event", []string{"thing.gone"}, false)
		from, to = to, from
		replay(s, "0 validation", nil, false)
	})
}

// TestSecretsAreSealed: under the install key, and again under the next.
func TestSecretsAreSealed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		_, value := w.subscribe(w.env, r.URL)
		next := make([]byte, secret.KeySize)
		next[0] = 1
		box, err := secret.NewBox(next, make([]byte, secret.KeySize))
		if err != nil {
			t.Fatal(err)
		}
		report, err := delivery.Reseal(t.Context(), w.db, box)
		if err != nil || report.Done != 1 || report.Left != 0 {
			t.Errorf("%+v, %v", report, err)
		}
		alone, err := secret.NewBox(next)
		if err != nil {
			t.Fatal(err)
		}
		w.Sender.Box = alone
		w.record(w.env, happened, id.ID{7}, "a")
		w.run()
		if g := r.take()[0]; g.Get("Webhook-Signature") != signed(value, g) {
			t.Error("signed with another secret")
		}
	})
}

func TestSweepKeepsThirtyDays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, _ := w.subscribe(w.env, receive(t, nil).URL)
		w.record(w.env, happened, id.ID{7}, "a")
		w.run()
		left := func() int {
			if err := delivery.Sweep(t.Context(), w.db); err != nil {
				t.Fatal(err)
			}
			return len(w.deliveries(s))
		}
		w.clock.Advance(30*24*time.Hour - minute)
		if left() != 1 {
			t.Error("it was swept early")
		}
		w.clock.Advance(2 * minute)
		if left() != 0 || dbtest.Number(t, w.db, `SELECT count(*) FROM webhook_try`) != 0 {
			t.Error("it is kept")
		}
	})
}
