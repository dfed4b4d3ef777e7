package webhook_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

func (w *world) types(of delivery.Subscription) string {
	var list []string
	for _, d := range w.deliveries(of) {
		list = append(list, d.Type)
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func TestWhoGetsWhat(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		all, _ := w.subscribe(w.env, r.URL)
		one, _ := w.subscribe(w.env, r.URL, "thing.changed")
		elsewhere, _ := w.subscribe(w.other, r.URL)
		wide, _ := w.subscribe(w.account, r.URL)
		people, _ := w.subscribe(w.account, r.URL, "person.joined")
		off, _ := w.subscribe(w.env, r.URL)
		if _, err := w.Update(t.Context(), alex, w.env, off.ID, webhook.Change{IsActive: new(false)}); err != nil {
			t.Fatal(err)
		}
		foreign := newWorld(t, w.db, w.clock, outConfig)
		strangers, _ := foreign.subscribe(foreign.account, r.URL)

		w.record(w.env, happened, id.ID{7}, "a")
		w.record(w.env, changed, id.ID{7}, "b")
		w.record(w.env, quiet, id.ID{7}, "c")
		w.record(w.account, joined, id.ID{8}, "d")
		failed := happened
		failed.Outcome = event.Failure
		w.record(w.env, failed, id.ID{7}, "e")
		for what, c := range map[string]struct {
			of   delivery.Subscription
			want string
		}{
			"all": {all, "thing.changed thing.happened"}, "one": {one, "thing.changed"}, "elsewhere": {elsewhere, ""},
			"wide": {wide, "person.joined thing.changed thing.happened"}, "people": {people, "person.joined"},
			"off": {off, ""},
		} {
			if got := w.types(c.of); got != c.want {
				t.Errorf("%s: %q, want %q", what, got, c.want)
			}
		}
		if got := foreign.types(strangers); got != "" {
			t.Errorf("strangers: %q", got)
		}
	})
}

// TestChangeOfAnAccountAsAWhole: the Account's subscription gets the Account's row alone, those
// of its Environments theirs; two changes of one thing apart are two.
func TestChangeOfAnAccountAsAWhole(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		env, _ := w.subscribe(w.env, r.URL)
		other, _ := w.subscribe(w.other, r.URL)
		wide, _ := w.subscribe(w.account, r.URL)
		dbtest.Do(t, w.db, func(tx *database.Tx) error {
			return errors.Join(
				record(t.Context(), tx, w.env, happened, id.ID{7}, "env"),
				record(t.Context(), tx, w.account, happened, id.ID{7}, "account"),
				record(t.Context(), tx, w.other, happened, id.ID{7}, "other"),
				record(t.Context(), tx, w.other, happened, id.ID{9}, "another thing"),
			)
		})
		if a, b, c := w.types(env), w.types(other), w.types(wide); a != "thing.happened" ||
			b != "thing.happened thing.happened" || c != "thing.happened thing.happened" {
			t.Errorf("%q %q %q", a, b, c)
		}
		w.run()
		n := 0
		for _, g := range r.take() {
			if strings.Contains(g.body, `"name":"account"`) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("the Account's row was sent %d times", n)
		}
	})
}

// TestEventAndDeliveryStandTogether: a write that fails leaves neither.
func TestEventAndDeliveryStandTogether(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, _ := w.subscribe(w.env, receive(t, nil).URL)
		broken := errors.New("broken")
		err := database.Do(t.Context(), w.db, func(tx *database.Tx) error {
			return errors.Join(record(t.Context(), tx, w.env, happened, id.ID{7}, "a"), broken)
		})
		if !errors.Is(err, broken) || len(w.deliveries(s)) != 0 {
			t.Error(err)
		}
		dbtest.Exec(t, w.db, `ALTER TABLE webhook_delivery RENAME TO webhook_delivery_gone`)
		err = database.Do(t.Context(), w.db, func(tx *database.Tx) error {
			return record(t.Context(), tx, w.env, happened, id.ID{7}, "a")
		})
		if err == nil || dbtest.Number(t, w.db, `SELECT count(*) FROM audit_event WHERE action = 'thing.happened'`) != 0 {
			t.Error("an event without its delivery")
		}
	})
}

// TestBodyIsThatOfTheFeed: at each attempt; what an erasure takes goes from it, too.
func TestBodyIsThatOfTheFeed(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, status(500))
		w.subscribe(w.env, r.URL)
		dbtest.Do(t, w.db, func(tx *database.Tx) error {
			about := happened
			about.Resource = "identity"
			return record(t.Context(), tx, w.env, about, id.ID{7}, "Zoë Müller")
		})
		w.run()
		first := r.take()[0]
		row := dbtest.Write(t, w.db, func(tx *database.Tx) (event.Row, error) {
			which, err := id.Parse[event.RowID](first.Get("Webhook-Id"))
			if err != nil {
				return event.Row{}, err
			}
			rows, err := event.ByID(t.Context(), tx, []event.RowID{which})
			return rows[which], err
		})
		if want, err := row.Body(); err != nil || string(want) != first.body || row.Revision == 0 {
			t.Errorf("%s, want %s, %v", first.body, want, err)
		}
		dbtest.Do(t, w.db, func(tx *database.Tx) error {
			return event.ErasePerson(t.Context(), tx, w.account.Account, event.Person{
				ID: principal.IdentityID{7}, Names: []string{"Zoë Müller"},
			})
		})
		w.clock.Advance(minute)
		w.run()
		second := r.take()[0]
		if strings.Contains(second.body, "Zoë") || second.Get("Webhook-Id") != first.Get("Webhook-Id") {
			t.Errorf("%s after the erasure", second.body)
		}
	})
}
