package mail_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/mail"
	"canopy.dev/canopy/internal/platform/mail/mailtest"
)

func TestPermanentOrNot(t *testing.T) {
	t.Parallel()
	server := mailtest.New(t)
	sender := mail.NewSender(server.Config())
	m := render(t, data(mail.UserInvite))
	for _, tt := range []struct {
		code      int
		permanent bool
	}{
		{421, false},
		{450, false},
		{452, false},
		{503, false},
		{530, false},
		{550, true},
		{552, true},
		{553, true},
		{554, true},
		{556, true},
	} {
		server.Refuse(tt.code)
		refusedFor(t, sender.Send(t.Context(), m), tt.permanent,
			fmt.Sprintf("recipient: the server answered %d %d.1.1", tt.code, tt.code/100))
		server.Refuse(0)
		server.RefuseContent(tt.code)
		refusedFor(t, sender.Send(t.Context(), m), tt.permanent,
			fmt.Sprintf("content: the server answered %d %d.6.0", tt.code, tt.code/100))
		server.RefuseContent(0)
	}
	if server.Refused() != 20 || len(server.Messages()) != 0 {
		t.Errorf("%d refused, %d taken", server.Refused(), len(server.Messages()))
	}
	if err := sender.Send(t.Context(), m); err != nil {
		t.Errorf("after the refusals: %v", err)
	}
	if mail.IsPermanent(nil) || mail.IsPermanent(errors.New("550 no")) {
		t.Error("nil or a foreign error is permanent")
	}
	if wrapped := fmt.Errorf("job: %w", sender.Send(t.Context(), mail.Message{})); !mail.IsPermanent(wrapped) {
		t.Errorf("wrapped: %v", wrapped)
	}
}

// A server that refuses everybody refuses the operator, not the recipient.
func TestRefusalsBeforeTheRecipientPass(t *testing.T) {
	t.Parallel()
	m := render(t, data(mail.UserInvite))
	for name, replies := range map[string][]string{
		"greeting: the server answered 554 5.3.2": {"554 5.3.2 go away"},
		"greeting: the server answered 421":       {"421 later"},
		"greeting: the server answered 550":       {"220 hello", "550 no", "550 no"},
		"sender: the server answered 550 5.7.1": {
			"220 hello", "250 hello", "550 5.7.1 <no-reply@acme.example> dana not yours",
		},
		"content: the server answered 451":        {"220 hello", "250 hello", "250 ok", "250 ok", "451 " + token},
		"content: ":                               {"220 hello", "250 hello", "250 ok", "250 ok", "354 go on"},
		"recipient: the server closed":            {"220 hello", "250 hello", "250 ok"},
		"sender: unexpected answer of the server": {"220 hello", "250 hello", "dana " + token},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := script(t, nil, replies...)
			c.TLS = mail.NoTLS
			refusedFor(t, mail.NewSender(c).Send(t.Context(), m), false, name)
		})
	}
}

// What comes after the server took the mail doesn't make it fail.
func TestTakenIsTaken(t *testing.T) {
	t.Parallel()
	c := script(t, nil, "220 hello", "250 hello", "250 ok", "250 ok", "354 go on", "250 2.0.0 taken")
	c.TLS = mail.NoTLS
	if err := mail.NewSender(c).Send(t.Context(), render(t, data(mail.UserInvite))); err != nil {
		t.Error(err)
	}
}

// script is a server for one connection that gives its replies one by one, each
// but the first after a line of the client (all of the content counts as one),
// and then hangs up. It tells what it heard on said, which it closes.
func script(t *testing.T, said chan<- string, replies ...string) mail.SMTPConfig {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		if said != nil {
			defer close(said)
		}
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
		in := bufio.NewReader(conn)
		for i, reply := range replies {
			if i > 0 {
				line, err := in.ReadString('\n')
				for content := strings.HasPrefix(replies[i-1], "354"); content && err == nil && line != ".\r\n"; {
					line, err = in.ReadString('\n')
				}
				if err != nil {
					return
				}
				if said != nil {
					said <- strings.TrimRight(line, "\r\n")
				}
			}
			fmt.Fprintf(conn, "%s\r\n", reply)
		}
		_, _ = in.ReadString('\n') // so that the last reply is not lost with the connection
	}()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := mail.ParseSMTPURL("smtp://127.0.0.1:" + port)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
