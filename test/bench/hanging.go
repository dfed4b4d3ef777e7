package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	// hangingHooks are as many subscriptions as an Environment and its Account may have, of each
	// half; the receiver of the first takes all and answers nothing.
	hangingHooks = 100
	hangingPlace = hangingHooks / 2
	// hangingWrites are made one each hangingPause, for a minute.
	hangingWrites = 120
	hangingPause  = 500 * time.Millisecond
	hangingFirst  = 20_000 // number of the first role
)

// arrivals are when the events of writes came to receivers.
type arrivals struct {
	mu    sync.Mutex
	at    map[int]map[int]time.Time // by write, then receiver
	hung  int                       // requests to the receiver that hangs
	quiet chan struct{}             // closed when it may let go
}

// ServeHTTP takes an event: the path names the receiver, the metadata the write.
func (a *arrivals) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	receiver, err := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
	if err == nil && receiver == 0 {
		a.mu.Lock()
		a.hung++
		a.mu.Unlock()
		select {
		case <-a.quiet:
		case <-r.Context().Done():
		}
		return
	}
	var body struct {
		Data struct {
			Metadata struct {
				Name string `json:"name"`
			} `json:"metadata"`
		} `json:"data"`
	}
	if err == nil {
		err = json.UnmarshalRead(r.Body, &body)
	}
	write, failed := strconv.Atoi(strings.TrimPrefix(body.Data.Metadata.Name, "Role "))
	if err != nil || failed != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	if a.at[write] == nil {
		a.at[write] = map[int]time.Time{}
	}
	if _, again := a.at[write][receiver]; !again {
		a.at[write][receiver] = now
	}
	a.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// came is how many deliveries have come.
func (a *arrivals) came() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, of := range a.at {
		n += len(of)
	}
	return n
}

// beside measures how long after the answer of a write its event comes to 99 receivers beside
// one that hangs.
func (i *instance) beside(ctx context.Context, environment string) error {
	a := &arrivals{at: map[int]map[int]time.Time{}, quiet: make(chan struct{})}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	receiver := &http.Server{
		ReadHeaderTimeout: time.Minute, ReadTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 16,
		Handler: a,
	}
	var serving sync.WaitGroup
	serving.Go(func() { _ = receiver.Serve(listener) })
	defer serving.Wait()
	defer receiver.Close()
	defer close(a.quiet)
	for k := range hangingHooks {
		place := environment
		if k >= hangingPlace {
			place = i.account("")
		}
		if _, err := i.subscribe(ctx, place, fmt.Sprintf("http://%s/%d", listener.Addr(), k)); err != nil {
			return err
		}
	}
	answered := make([]time.Time, hangingWrites)
	pace := time.NewTicker(hangingPause)
	defer pace.Stop()
	for k := range answered {
		<-pace.C
		body := roleBody(hangingFirst + k)
		if err := i.must(ctx, http.StatusCreated, http.MethodPost, environment+"/roles", body); err != nil {
			return err
		}
		answered[k] = time.Now()
	}
	want := hangingWrites * (hangingHooks - 1)
	for began := time.Now(); a.came() < want; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > hookPatient*time.Second {
			return fmt.Errorf("%d of %d deliveries came", a.came(), want)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	var late times
	for k, answer := range answered {
		for _, at := range a.at[hangingFirst+k] {
			late = append(late, max(0, at.Sub(answer)))
		}
	}
	fmt.Printf("  to each of %d receivers, beside one that hangs (%d requests to it), 2 writes a second: %v\n",
		hangingHooks-1, a.hung, late)
	return nil
}
