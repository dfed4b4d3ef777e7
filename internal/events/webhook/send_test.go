package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"canopy.dev/canopy/internal/events/delivery"
	"canopy.dev/canopy/internal/events/eventtest"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/outbound"
)

const minute = time.Minute

var outConfig outbound.Config

// signed makes a signature as a receiver would.
func signed(secret string, g got) string {
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	h := hmac.New(sha256.New, key)
	fmt.Fprintf(h, "%s.%s.%s", g.Get("Webhook-Id"), g.Get("Webhook-Timestamp"), g.body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		s, value := w.subscribe(w.env, r.URL)
		w.record(w.env, happened, id.ID{7}, "a")
		if n := w.run(); n != 1 {
			t.Fatalf("%d attempts", n)
		}
		g := r.take()[0]
		d := w.only(s)
		if g.Get("Content-Type") != "application/json" || g.Get("User-Agent") != "Canopy-Webhooks/1" ||
			g.Get("Webhook-Id") != d.Event.String() || g.Get("Canopy-Revision") == "" ||
			g.Get("Webhook-Timestamp") != strconv.FormatInt(w.db.Now().Unix(), 10) ||
			g.Get("Webhook-Signature") != signed(value, g) {
			t.Error(g.Header)
		}
		if d.Status != delivery.Success || d.Attempts != 1 || !d.NextAt.IsZero() || *d.ResponseStatus != 204 {
			t.Errorf("%+v", d)
		}
		if w.run() != 0 {
			t.Error("it was sent twice")
		}
		full, err := w.Delivery(t.Context(), w.env, s.ID, d.ID)
		if err != nil || full.Body != g.body || len(full.Tries) != 1 || full.Headers["webhook-id"] != g.Get("Webhook-Id") ||
			full.Headers["webhook-timestamp"] != g.Get("Webhook-Timestamp") {
			t.Errorf("%+v, %v", full, err)
		}
		w.record(w.account, joined, id.ID{8}, "d") // of no Environment, and for nobody here
		wide, _ := w.subscribe(w.account, r.URL)
		w.record(w.account, joined, id.ID{8}, "d")
		w.run()
		if g := r.take(); len(g) != 1 || len(g[0].Values("Canopy-Revision")) != 0 || w.only(wide).Attempts != 1 {
			t.Error(g)
		}
	})
}

func TestBothSecretsSignDuringARotation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		s, first := w.subscribe(w.env, r.URL)
		rotate := func(hours int) string {
			sub, value, err := w.Rotate(t.Context(), alex, w.env, s.ID, webhook.SecretChange{Overlap: &hours})
			if err != nil || (hours == 0) != sub.Until.IsZero() {
				t.Fatal(sub.Until, err)
			}
			return value.Reveal()
		}
		expect := func(secrets ...string) {
			t.Helper()
			w.record(w.env, happened, id.ID{7}, "a")
			w.run()
			g := r.take()[0]
			var want []string
			for _, s := range secrets {
				want = append(want, signed(s, g))
			}
			if got := g.Get("Webhook-Signature"); got != strings.Join(want, " ") {
				t.Errorf("%s, want %s", got, want)
			}
		}
		expect(first)
		second := rotate(1)
		expect(second, first)
		third := rotate(2)
		expect(third, second)
		w.clock.Advance(2*time.Hour - time.Second)
		expect(third, second)
		w.clock.Advance(time.Second)
		expect(third)
		fourth := rotate(0)
		expect(fourth)
	})
}

// TestAnswersOfReceivers: what each does to a delivery and to its subscription.
func TestAnswersOfReceivers(t *testing.T) {
	t.Parallel()
	hangs := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	for what, c := range map[string]struct {
		answer http.HandlerFunc
		want   string // status of the delivery, of the answer, pause, whether still on
	}{
		"200": {status(200), "success 200 0s true"}, "204": {status(204), "success 204 0s true"},
		"299": {status(299), "success 299 0s true"},
		"301": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", "http://169.254.169.254/")
			w.WriteHeader(http.StatusMovedPermanently)
		}, "pending 301 5s true"},
		"400": {status(400), "pending 400 5s true"}, "410": {status(410), "failed 410 0s false"},
		"429": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusTooManyRequests)
		}, "pending 429 2m0s true"},
		"503 for years": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "99999999999")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, "pending 503 24h0m0s true"},
		"500 that asks": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusInternalServerError)
		}, "pending 500 5s true"},
		"hangs": {hangs, "pending timeout 5s true"},
		"resets": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := http.NewResponseController(w).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}, "pending connect 5s true"},
		"sends 1 GB": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.CopyN(w, endless{}, 1<<30)
		}, "success 200 0s true"},
	} {
		t.Run(strings.ReplaceAll(what, " ", "-"), func(t *testing.T) {
			t.Parallel()
			eachCalling(t, outbound.Config{Headers: 500 * time.Millisecond}, func(t *testing.T, w *world) {
				s, _ := w.subscribe(w.env, receive(t, c.answer).URL)
				w.record(w.env, happened, id.ID{7}, "a")
				if n := w.run(); n != 1 {
					t.Errorf("%d attempts", n)
				}
				full, err := w.Delivery(t.Context(), w.env, s.ID, w.only(s).ID)
				if err != nil || len(full.Tries) != 1 {
					t.Fatal(full, err)
				}
				answered := ""
				if code := full.ResponseStatus; code != nil {
					answered = strconv.Itoa(*code)
				} else if f := full.Tries[0].Failure; f != nil {
					answered = *f
				}
				now, err := w.Get(t.Context(), w.env, s.ID)
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprint(full.Status, " ", answered, " ", pause(w, full.NextAt), " ", now.Active); got != c.want {
					t.Errorf("%s, want %s", got, c.want)
				}
				if body := full.ResponseBody; body != nil && len(*body) > 4<<10 {
					t.Errorf("%d bytes are kept", len(*body))
				}
			})
		})
	}
}

// plan are the pauses of the guide.
var plan = []time.Duration{
	5 * time.Second, 5 * minute, 30 * minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour,
	20 * time.Hour, 24 * time.Hour,
}

// near reports whether a pause is as planned, up to the tenth that spreads it.
func near(d, planned time.Duration) bool {
	return d >= planned-planned/10-10*time.Millisecond && d <= planned+planned/10+time.Second
}

// pause is the first of some pauses that a time is away, or what it is.
func pause(w *world, next time.Time) time.Duration {
	if next.IsZero() {
		return 0
	}
	d := next.Sub(w.db.Now())
	for _, planned := range []time.Duration{5 * time.Second, 2 * minute, 24 * time.Hour} {
		if near(d, planned) {
			return planned
		}
	}
	return d
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

// TestTenAttempts: after the pauses of the guide; then it has failed, which is an event.
func TestTenAttempts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, status(500))
		s, _ := w.subscribe(w.env, r.URL)
		eventtest.Take(t, w.db)
		w.record(w.env, happened, id.ID{7}, "b")
		for _, planned := range plan {
			w.run()
			d := w.deliveries(s)[0]
			if next := d.NextAt.Sub(w.db.Now()); !near(next, planned) {
				t.Errorf("%+v: %s, want %s", d, next, planned)
			}
			w.clock.Advance(d.NextAt.Sub(w.db.Now()) - time.Second)
			if w.run() != 0 {
				t.Error("it was sent too early")
			}
			w.clock.Advance(time.Second)
		}
		w.run()
		if d := w.deliveries(s)[0]; d.Attempts != 10 || d.Status != delivery.Failed || len(r.take()) != 10 {
			t.Errorf("%+v", d)
		}
		if got := eventtest.Actions(t, w.db); got != "thing.happened webhook.delivery_failed" {
			t.Error(got)
		}
	})
}

// TestEventThatIsNoLongerKept can't be sent: its delivery has failed.
func TestEventThatIsNoLongerKept(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		s, _ := w.subscribe(w.env, receive(t, nil).URL)
		w.record(w.env, happened, id.ID{7}, "a")
		eventtest.Take(t, w.db)
		w.run()
		if got := w.only(s); got.Status != delivery.Failed || *got.ResponseBody != "the event is no longer kept" {
			t.Errorf("%+v", got)
		}
	})
}

// TestFailingForFiveDays switches the subscription off, once, and tells its people.
func TestFailingForFiveDays(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		code := atomic.Int32{}
		code.Store(500)
		r := receive(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(int(code.Load())) })
		s, _ := w.subscribe(w.env, r.URL)
		last := `UPDATE webhook_delivery SET attempts = 9, next_at = created_at WHERE status = 'pending'`
		fail := func(times int) {
			for range times {
				w.record(w.env, happened, id.ID{7}, "a")
			}
			dbtest.Exec(t, w.db, last)
			w.run()
		}
		on := func() bool {
			sub, err := w.Get(t.Context(), w.env, s.ID)
			if err != nil {
				t.Fatal(err)
			}
			return sub.Active
		}
		fail(12)
		if !on() {
			t.Error("it was switched off at once")
		}
		w.clock.Advance(3 * 24 * time.Hour)
		code.Store(200)
		w.record(w.env, happened, id.ID{7}, "a")
		w.run() // it was well for a moment
		code.Store(500)
		w.clock.Advance(4 * 24 * time.Hour)
		fail(12)
		if !on() {
			t.Error("it has had a success four days ago")
		}
		w.clock.Advance(24 * time.Hour)
		w.record(w.env, happened, id.ID{7}, "waits")
		w.run()
		fail(1)
		if on() || len(w.off) != 1 {
			t.Errorf("on: %v, told: %v", on(), w.off)
		}
		for _, d := range w.deliveries(s) {
			if d.Status == delivery.Pending {
				t.Errorf("%+v waits", d)
			}
		}
		if got := eventtest.Actions(t, w.db); !strings.HasSuffix(got, "webhook.disabled") {
			t.Error(got)
		}
	})
}

// TestCrashRepeats: what another process had begun is sent by the next once its turn is over.
func TestCrashRepeats(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		r := receive(t, nil)
		s, _ := w.subscribe(w.env, r.URL)
		w.record(w.env, happened, id.ID{7}, "a")
		dbtest.Do(t, w.db, func(tx *database.Tx) error {
			mine, err := delivery.Take(t.Context(), tx, delivery.Due{Account: s.Place.Account, Webhook: s.ID}, id.ID{9})
			if !mine {
				t.Error("there is no turn")
			}
			return err
		})
		if w.run() != 0 {
			t.Error("two send to one subscription")
		}
		w.clock.Advance(30 * time.Second)
		if w.run() != 1 || w.only(s).Status != delivery.Success {
			t.Error("nobody goes on")
		}
	})
}

// TestStoppedInTheMiddle: a request that is cut by the end of the process is no attempt.
func TestStoppedInTheMiddle(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, w *world) {
		began := make(chan struct{}, 1)
		calls := atomic.Int32{}
		r := receive(t, func(_ http.ResponseWriter, q *http.Request) {
			if calls.Add(1) == 1 {
				began <- struct{}{}
				<-q.Context().Done()
			}
		})
		s, _ := w.subscribe(w.env, r.URL)
		w.record(w.env, happened, id.ID{7}, "a")
		ctx, stop := context.WithCancel(t.Context())
		go func() { <-began; stop() }()
		if _, err := w.RunDue(ctx); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
		if d := w.only(s); d.Status != delivery.Pending || d.Attempts != 0 {
			t.Errorf("%+v", d)
		}
		if n, err := w.another().RunDue(t.Context()); n != 1 || err != nil || w.only(s).Status != delivery.Success {
			t.Errorf("%d, %v", n, err)
		}
	})
}

// TestSlowReceiversDelayNoOther: of many that hang, each has as many requests in flight as it
// may, and one that answers gets all of its own meanwhile.
func TestSlowReceiversDelayNoOther(t *testing.T) {
	t.Parallel()
	eachCalling(t, outbound.Config{Headers: time.Hour}, func(t *testing.T, w *world) {
		const many = 40
		flying := atomic.Int32{}
		slow := receive(t, func(_ http.ResponseWriter, q *http.Request) {
			flying.Add(1)
			<-q.Context().Done()
		})
		quick := receive(t, nil)
		for range many {
			w.subscribe(w.env, slow.URL)
		}
		well, _ := w.subscribe(w.other, quick.URL)
		for range 12 {
			w.record(w.env, happened, id.ID{7}, "a")
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { w.Run(ctx); close(ended) }()
		// Their own slots, and all that are shared: no more.
		wait(t, "the slow ones are not asked", func() bool { return flying.Load() == many+256 })
		for range 30 {
			w.record(w.other, happened, id.ID{7}, "b")
		}
		wait(t, "one that is well waits", func() bool {
			done := 0
			for _, d := range w.deliveries(well) {
				if d.Status == delivery.Success {
					done++
				}
			}
			return done == 30
		})
		if n := flying.Load(); n != many+256 {
			t.Errorf("%d in flight", n)
		}
		stop()
		<-ended
	})
}

func TestAtMostTenInFlight(t *testing.T) {
	t.Parallel()
	eachCalling(t, outbound.Config{Headers: time.Hour}, func(t *testing.T, w *world) {
		flying, most := atomic.Int32{}, atomic.Int32{}
		open := make(chan struct{})
		r := receive(t, func(_ http.ResponseWriter, _ *http.Request) {
			most.Store(max(most.Load(), flying.Add(1)))
			<-open
			flying.Add(-1)
		})
		s, _ := w.subscribe(w.env, r.URL)
		for range 40 {
			w.record(w.env, happened, id.ID{7}, "a")
		}
		go func() {
			wait(t, "there are not ten", func() bool { return flying.Load() == 10 })
			close(open)
		}()
		if n := w.run(); n != 40 || most.Load() != 10 {
			t.Errorf("%d attempts, %d at once", n, most.Load())
		}
		for _, d := range w.deliveries(s) {
			if d.Status != delivery.Success || d.Attempts != 1 {
				t.Errorf("%+v", d)
			}
		}
	})
}
