package mail_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

// What is slower than ten seconds is in time: each step has the minutes of RFC 5321.
func TestSlowServerGetsOneCopy(t *testing.T) {
	t.Parallel()
	const slow = 11 * time.Second
	m := render(t, data(mail.UserInvite))
	var all sync.WaitGroup
	for name, slowDown := range map[string]func(*mailtest.Server){
		"the final dot": func(s *mailtest.Server) { s.SlowDot(slow) },
		"the greeting": func(s *mailtest.Server) {
			s.Slow(slow)
			time.AfterFunc(time.Second, func() { s.Slow(0) })
		},
	} {
		server := mailtest.New(t)
		slowDown(server)
		all.Go(func() {
			start := time.Now()
			if err := mail.NewSender(server.Config()).Send(t.Context(), m); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n, took := len(server.Messages()), time.Since(start); n != 1 || took < slow {
				t.Errorf("%s: %d copies in %s", name, n, took)
			}
		})
	}
	all.Wait()
}

// Each wait is bounded, and by its own limit.
func TestEveryWaitEnds(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	// mute answers n lines of a whole conversation and then no more.
	whole := []string{"220 hello", "250-hello\r\n250 AUTH PLAIN", "235 in", "250 ok", "250 ok", "354 go on"}
	for n, want := range []string{"greeting", "greeting", "authentication", "sender", "recipient", "content", "content"} {
		for _, by := range []string{"the step", "all before the dot", "the deadline", "cancellation"} {
			t.Run(fmt.Sprintf("%s after %d replies, ended by %s", want, n, by), func(t *testing.T) {
				t.Parallel()
				c := mute(t, whole[:n])
				c.TLS, c.Username, c.Password = mail.NoTLS, "canopy", "hunter2"
				sender, ctx, cause := mail.NewSender(c), t.Context(), context.DeadlineExceeded
				switch by {
				case "the step":
					sender.SetStep(50 * time.Millisecond)
				case "all before the dot":
					sender.SetBefore(50 * time.Millisecond)
					sender.SetTaken(100 * time.Millisecond)
				case "the deadline":
					limit, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
					defer cancel()
					ctx = limit
				case "cancellation":
					limit, cancel := context.WithCancel(ctx)
					defer time.AfterFunc(50*time.Millisecond, cancel).Stop()
					ctx, cause = limit, context.Canceled
				}
				start := time.Now()
				err := sender.Send(ctx, m)
				refusedFor(t, err, false, want+": ")
				if !errors.Is(err, cause) {
					t.Errorf("%v", err)
				}
				if took := time.Since(start); took > 10*time.Second {
					t.Errorf("%s", took)
				}
			})
		}
	}
}

// A wait for the reply to the dot is not cut by what was used up before.
func TestTheDotHasItsWholeWait(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	server.SlowDot(300 * time.Millisecond)
	sender := mail.NewSender(server.Config())
	sender.SetBefore(250 * time.Millisecond)
	if err := sender.Send(t.Context(), render(t, data(mail.UserInvite))); err != nil {
		t.Error(err)
	}
}

// A server that talks without end is not listened to without end.
func TestEndlessReplyEnds(t *testing.T) {
	t.Parallel()
	c := talk(t, func(conn net.Conn) {
		for {
			if _, err := fmt.Fprint(conn, "220-"+strings.Repeat("x", 1000)+"\r\n"); err != nil {
				return
			}
		}
	})
	refusedFor(t, mail.NewSender(c).Send(t.Context(), render(t, data(mail.UserInvite))), false, "greeting: ")
}

// mute is a server for one connection that gives its replies, and then reads on
// without a word.
func mute(t *testing.T, replies []string) mail.SMTPConfig {
	t.Helper()
	return talk(t, func(conn net.Conn) {
		buffer := make([]byte, 64<<10)
		for i, reply := range replies {
			if i > 0 {
				if _, err := conn.Read(buffer); err != nil {
					return
				}
			}
			fmt.Fprintf(conn, "%s\r\n", reply)
		}
		for {
			if _, err := conn.Read(buffer); err != nil {
				return
			}
		}
	})
}

// talk is a server in clear whose one connection is f's.
func talk(t *testing.T, f func(net.Conn)) mail.SMTPConfig {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		f(conn)
	}()
	c, err := mail.ParseSMTPURL("smtp://" + l.Addr().String() + "?tls=none")
	if err != nil {
		t.Fatal(err)
	}
	return c
}
