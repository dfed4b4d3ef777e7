package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/platform/database"
)

const (
	hooks       = 10      // subscriptions
	hookEvents  = 700     // each of them gets, at first
	hookPatient = 120     // seconds that the deliveries may take
	hookAll     = `["*"]` // event types
)

// benchWebhooks sends events to receivers on this machine: first what has piled up while the
// receiver was away is replayed at once, which is how fast deliveries go; then writes go on, and
// it is measured how long after its answer a write's event is received: by one, and by a hundred
// of which one hangs.
func benchWebhooks(ctx context.Context, o options, engine database.Engine) error {
	var received atomic.Int64
	came := make(chan time.Time, 100_000)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	receiver := &http.Server{
		ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			received.Add(1)
			select {
			case came <- time.Now():
			default:
			}
			w.WriteHeader(http.StatusNoContent)
		}),
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = receiver.Serve(listener) })
	defer serving.Wait()
	defer receiver.Close()
	i, err := running(ctx, o, engine, "CANOPY_WEBHOOK_ALLOWED_CIDRS=127.0.0.0/8")
	if err != nil {
		return err
	}
	defer i.close()
	if err := i.signIn(ctx); err != nil {
		return err
	}
	environment := i.account("/applications/lease-desk/environments/development")
	from := time.Now().Add(-time.Minute).UTC().Format(time.RFC3339)
	for k := range hookEvents {
		if err := i.must(ctx, http.StatusCreated, http.MethodPost, environment+"/roles", roleBody(k)); err != nil {
			return err
		}
	}
	to := time.Now().Add(time.Minute).UTC().Format(time.RFC3339)
	ids := make([]string, hooks)
	for k := range ids {
		if ids[k], err = i.subscribe(ctx, environment, "http://"+listener.Addr().String()+"/"); err != nil {
			return err
		}
	}
	queued := 0
	began := time.Now()
	for _, id := range ids {
		body := fmt.Sprintf(`{"from":%q,"to":%q}`, from, to)
		_, raw, err := i.call(ctx, http.MethodPost, environment+"/webhooks/"+id+"/replay", body)
		if err != nil {
			return err
		}
		var a struct {
			Data struct {
				Queued int `json:"queued"`
			} `json:"data"`
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		queued += a.Data.Queued
	}
	for received.Load() < int64(queued) {
		if time.Since(began) > hookPatient*time.Second {
			return fmt.Errorf("%d of %d deliveries came", received.Load(), queued)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(began)
	fmt.Printf("  %d deliveries to %d webhooks, replays included: %v, %.0f/s\n",
		queued, hooks, took.Round(time.Millisecond), float64(queued)/took.Seconds())
	if err := i.follow(ctx, environment, ids, came); err != nil {
		return err
	}
	return i.beside(ctx, i.account("/applications/lease-desk/environments/production"))
}

// follow measures how long after the answer of a write its event is received by one webhook.
func (i *instance) follow(ctx context.Context, environment string, ids []string, came chan time.Time) error {
	for _, id := range ids[1:] {
		if err := i.must(ctx, http.StatusNoContent, http.MethodDelete, environment+"/webhooks/"+id, ""); err != nil {
			return err
		}
	}
	time.Sleep(2 * time.Second) // until the last are settled
	for len(came) > 0 {
		<-came
	}
	var late times
	for k := range 200 {
		if err := i.must(ctx, http.StatusCreated, http.MethodPost, environment+"/roles", roleBody(10_000+k)); err != nil {
			return err
		}
		answered := time.Now()
		select {
		case at := <-came:
			late = append(late, max(0, at.Sub(answered)))
		case <-time.After(10 * time.Second):
			return fmt.Errorf("the event of write %d does not come", k)
		}
	}
	fmt.Printf("  from the answer of a write to its receiver: %v\n", late)
	return i.must(ctx, http.StatusNoContent, http.MethodDelete, environment+"/webhooks/"+ids[0], "")
}

func roleBody(k int) string { return fmt.Sprintf(`{"name":"Role %d"}`, k) }

func (i *instance) subscribe(ctx context.Context, environment, url string) (id string, err error) {
	body := fmt.Sprintf(`{"url":%q,"event_types":%s}`, url, hookAll)
	status, raw, err := i.call(ctx, http.MethodPost, environment+"/webhooks", body)
	if err != nil || status != http.StatusCreated {
		return "", fmt.Errorf("a webhook is answered %d %s: %w", status, raw, err)
	}
	var a struct {
		Data struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	return a.Data.ID, json.Unmarshal(raw, &a)
}
