package command_test

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/command"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// output keeps what a program writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

// count tells how many lines hold a text.
func (o *output) count(text string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Count(o.buf.String(), text)
}

// zeroKey is the install key of tests to which it does not matter.
const zeroKey = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

// text is all that was written so far.
func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// serve runs canopy serve on a database until the function is called, which gives
// its exit code.
func serve(t *testing.T, address string) (*output, func() int) {
	t.Helper()
	return serveWith(t, "--database-url", address, "--secret-key", zeroKey)
}

// serveWith is serve with any flags.
func serveWith(t *testing.T, flags ...string) (*output, func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	said := &output{}
	code := make(chan int, 1)
	go func() {
		p := &command.Program{
			Args:   append([]string{"serve", "--addr", "127.0.0.1:0"}, flags...),
			Stdout: said, Stderr: said, Version: "test",
		}
		code <- p.Run(ctx)
	}()
	return said, func() int {
		cancel()
		return <-code
	}
}

// until waits for a text in what the program says.
func until(t *testing.T, said *output, text string) {
	t.Helper()
	for range 3000 {
		if said.count(text) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("it never says %q, but %s", text, &said.buf)
}

func TestServeWaitsForItsDatabase(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	proxy.Down()
	said, stop := serve(t, proxy.URL)
	until(t, said, "not up yet")
	time.Sleep(600 * time.Millisecond) // a few tries, which are not told
	proxy.Up()
	until(t, said, "listening")
	if n := said.count("not up yet"); n != 1 {
		t.Errorf("it says so %d times", n)
	}
	if code := stop(); code != 0 {
		t.Errorf("it ends with %d: %s", code, &said.buf)
	}
}

func TestServeEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	proxy := dbtest.NewProxy(t, dbtest.URL(t, database.Postgres))
	proxy.Down()
	said, stop := serve(t, proxy.URL)
	until(t, said, "not up yet")
	if code := stop(); code != 0 {
		t.Errorf("it ends with %d: %s", code, &said.buf)
	}
}

// TestServeDoesNotWaitInVain: a wrong name stays wrong.
func TestServeDoesNotWaitInVain(t *testing.T) {
	t.Parallel()
	address := strings.Replace(dbtest.URL(t, database.Postgres), "/canopy_", "/no_such_", 1)
	said, stop := serve(t, address)
	until(t, said, "does not exist")
	if n := said.count("not up yet"); n != 0 || stop() != 1 {
		t.Errorf("it waits: %s", &said.buf)
	}
}
