package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// rates counts decisions a second beside what the same server does for a call that does
// nothing, in turns, so that a noisy machine harms both.
func (c *crowd) rates(ctx context.Context) error {
	questions := make([]string, 4096)
	for i := range questions {
		questions[i] = c.request(http.MethodPost, "/api/v1/permissions/evaluate", c.question())
	}
	nothing := []string{c.request(http.MethodGet, "/healthz", "")}
	var shares, decided, idle []float64
	for range 5 {
		n, err := c.flood(ctx, nothing)
		if err != nil {
			return err
		}
		d, err := c.flood(ctx, questions)
		if err != nil {
			return err
		}
		idle, decided, shares = append(idle, n), append(decided, d), append(shares, d/n)
	}
	fmt.Printf("  decisions %.0f/s, calls that do nothing %.0f/s, share %.0f %%"+
		" (medians of 5, %d clients); shares %.2f\n", median(decided), median(idle), 100*median(shares), c.o.clients, shares)
	one, err := rounds(2000, func(int) error { return c.decide(ctx, c.key, c.question()) })
	fmt.Printf("  %-46s %v\n", "one decision after the other", one)
	return err
}

// request is a whole request as it goes over the wire: a client that costs little leaves
// the machine to the server.
func (c *crowd) request(method, path, body string) string {
	return fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		method, path, strings.TrimPrefix(c.url, "http://"), c.key, len(body), body)
}

// flood sends requests on kept connections, each after the answer to the one before, and
// gives answers a second.
func (c *crowd) flood(ctx context.Context, requests []string) (float64, error) {
	var wg sync.WaitGroup
	var answers atomic.Int64
	var failed atomic.Pointer[error]
	began := time.Now()
	for n := range c.o.clients {
		wg.Go(func() {
			if err := c.pour(ctx, requests, n, began, &answers); err != nil {
				failed.CompareAndSwap(nil, &err)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(answers.Load()) / time.Since(began).Seconds(), nil
}

func (c *crowd) pour(ctx context.Context, requests []string, from int, began time.Time, answers *atomic.Int64) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for k := from * 131; time.Since(began) < c.o.duration; k++ {
		if _, err := io.WriteString(conn, requests[k%len(requests)]); err != nil {
			return err
		}
		if err := readAnswer(in); err != nil {
			return err
		}
		answers.Add(1)
	}
	return nil
}

// readAnswer reads an answer of 200 with a Content-Length.
func readAnswer(in *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && !strings.Contains(string(line), " 200 ") {
			return fmt.Errorf("the answer is %q", line)
		}
		if len(line) <= 2 {
			break
		}
		if len(line) > 16 && strings.EqualFold(string(line[:16]), "Content-Length: ") {
			for _, d := range line[16 : len(line)-2] {
				length = length*10 + int(d-'0')
			}
		}
	}
	_, err := in.Discard(length)
	return err
}
