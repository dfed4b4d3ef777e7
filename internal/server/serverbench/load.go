package serverbench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/task"
)

var errEnded = errors.New("serverbench: a client has panicked")

// load is requests as they go over the wire: a client that costs little leaves the machine to
// the server.
type load struct {
	addr     string
	requests []string
}

// request is one of them; by is a header with who asks.
func request(method, host, path, by, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, path, host, by, len(body), body)
}

// measured is what a flood has seen.
type measured struct {
	rate  float64 // answers a second
	took  time.Duration
	times times
}

// flood sends the requests on kept connections, each after the answer to the one before.
func (l load) flood(ctx context.Context, clients int, d time.Duration) (m measured, err error) {
	began := time.Now()
	took, errs := make([]times, clients), make([]error, clients)
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			errs[n] = errEnded
			task.Try(ctx, slog.Default(), "client", func() { took[n], errs[n] = l.pour(ctx, n, began.Add(d)) })
		})
	}
	all.Wait()
	m.took = time.Since(began)
	for n := range clients {
		m.times = append(m.times, took[n]...)
		if errs[n] != nil {
			err = errs[n]
		}
	}
	m.rate = float64(len(m.times)) / m.took.Seconds()
	return m, err
}

// pour sends them one after the other: one at least, however late it is.
func (l load) pour(ctx context.Context, from int, until time.Time) (took times, err error) {
	c, err := dial(ctx, l.addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	for k, at := from*131, time.Now(); (len(took) == 0 || at.Before(until)) && ctx.Err() == nil; k++ {
		if _, err := c.ask(l.requests[k%len(l.requests)]); err != nil {
			return took, err
		}
		now := time.Now()
		took, at = append(took, now.Sub(at)), now
	}
	return took, nil
}

// conn is a connection that is kept.
type conn struct {
	net.Conn

	in *bufio.Reader
}

func dial(ctx context.Context, addr string) (conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	return conn{c, bufio.NewReaderSize(c, 64<<10)}, err
}

// ask sends a request and reads the answer, which is of 200 with a Content-Length, or in chunks.
// The body is good until the next call; it is empty where it is long or in chunks.
func (c conn) ask(request string) (body []byte, err error) {
	if _, err := io.WriteString(c, request); err != nil {
		return nil, err
	}
	length, chunked, err := c.head()
	if err != nil {
		return nil, err
	}
	for chunked {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		n := number(line, 16)
		if _, err := c.in.Discard(n + 2); err != nil || n == 0 {
			return nil, err
		}
	}
	if length <= c.in.Size() {
		if body, err = c.in.Peek(length); err != nil {
			return nil, err
		}
	}
	_, err = c.in.Discard(length)
	return body, err
}

// head reads an answer up to its body.
func (c conn) head() (length int, chunked bool, err error) {
	for first := true; ; first = false {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		if first && !strings.Contains(string(line), " 200 ") {
			rest, _ := c.in.Peek(c.in.Buffered())
			return 0, false, fmt.Errorf("the answer is %q: %s", line, rest)
		}
		if len(line) <= 2 {
			return length, chunked, nil
		}
		if len(line) > 16 && strings.EqualFold(string(line[:16]), "Content-Length: ") {
			length = number(line[16:], 10)
		}
		chunked = chunked || strings.EqualFold(string(line), "Transfer-Encoding: chunked\r\n")
	}
}

func number(line []byte, base int) (n int) {
	for _, d := range line {
		digit := strings.IndexByte("0123456789abcdef", d)
		if digit < 0 {
			break
		}
		n = n*base + digit
	}
	return n
}

// times are how long answers took.
type times []time.Duration

// at is the time that a share of them is within, in microseconds.
func (t times) at(share float64) float64 {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return float64(sorted[min(len(sorted)-1, int(share*float64(len(sorted))))].Nanoseconds()) / 1e3
}

func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

func ratios(of, to []float64) []float64 {
	list := make([]float64, len(of))
	for i := range of {
		list[i] = of[i] / to[i]
	}
	return list
}

// stem is the store in the name of a row.
func stem(name string) string {
	store, _, _ := strings.Cut(name, ":")
	return store
}
