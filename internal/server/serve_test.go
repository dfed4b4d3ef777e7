package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// serving is a server on a listener of its own, until it is told to stop.
type serving struct {
	*servertest.Server
	addr  string
	stop  context.CancelFunc
	ended chan error
}

func serve(t *testing.T, s *servertest.Server) *serving {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	v := &serving{s, ln.Addr().String(), stop, make(chan error, 1)}
	go func() { v.ended <- s.Serve(ctx, ln) }()
	return v
}

// get asks for a path and sends what was answered, or the error, in words.
func (v *serving) get(t *testing.T, path string) <-chan string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+v.addr+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string, 1)
	go func() {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			said <- err.Error()
			return
		}
		defer res.Body.Close()
		raw, err := io.ReadAll(res.Body)
		if err != nil {
			raw = []byte(err.Error())
		}
		said <- string(raw)
	}()
	return said
}

// TestStopFinishesWhatIsInFlight: nothing more is accepted, what runs is answered, and
// that is no error.
func TestStopFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		begun, end, worked := make(chan bool), make(chan bool), false
		s.Router.Mount("GET /slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			begun <- true
			<-end
			worked = r.Context().Err() == nil
			_, _ = io.WriteString(w, "done")
		}))
		left := false
		s.AddTask(func(ctx context.Context) error {
			<-ctx.Done()
			<-end
			left = true
			return nil
		})
		v := serve(t, s)
		said := v.get(t, "/slow")
		<-begun
		v.stop()
		for refused := false; !refused; { // within a moment
			conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", v.addr)
			if refused = err != nil; !refused {
				conn.Close()
			}
		}
		close(end)
		if got, err := <-said, <-v.ended; got != "done" || err != nil || !worked || !left {
			t.Errorf("%q, %v, the call went on: %v, the task was waited for: %v", got, err, worked, left)
		}
	})
}

// TestStopLeavesWhatHangs: a call and a task that never end keep no server.
func TestStopLeavesWhatHangs(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	s.SetGrace(50*time.Millisecond, 50*time.Millisecond)
	begun, end := make(chan bool), make(chan bool)
	t.Cleanup(func() { close(end) })
	hang := func() {
		begun <- true
		<-end
	}
	s.Router.Mount("GET /hangs", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hang() }))
	s.AddTask(func(context.Context) error {
		hang()
		return nil
	})
	v := serve(t, s)
	said := v.get(t, "/hangs")
	<-begun
	<-begun
	v.stop()
	if err := <-v.ended; err != nil {
		t.Error(err)
	}
	if got := <-said; !strings.Contains(got, "EOF") && !strings.Contains(got, "reset") {
		t.Errorf("the call was told %q", got)
	}
	for _, want := range []string{
		"calls that did not end in time are cut", "work in the background that did not end in time is left",
	} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("no %q in %s", want, s.Log)
		}
	}
}

// TestTaskThatPanicsEndsNoServer: it is logged with its stack.
func TestTaskThatPanicsEndsNoServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	begun := make(chan bool)
	s.AddTask(func(context.Context) error {
		defer close(begun)
		panic("in the middle")
	})
	v := serve(t, s)
	<-begun
	if said := <-v.get(t, "/healthz"); said != `{"status":"ok"}` {
		t.Errorf("the server says %q", said)
	}
	v.stop()
	if err := <-v.ended; err != nil {
		t.Error(err)
	}
	for _, want := range []string{"task=clock", `panic="in the middle"`, "serve_test.go"} {
		if !strings.Contains(s.Log.String(), want) {
			t.Errorf("no %q in %s", want, s.Log)
		}
	}
}

// TestListenerThatFailsEndsTheServer, with its error.
func TestListenerThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, database.SQLite, nil)
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := s.Serve(t.Context(), ln); err == nil {
		t.Error("no error")
	}
}
