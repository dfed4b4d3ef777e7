package mail

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// patience is how long a server may take, wait by wait.
type patience struct {
	connect time.Duration
	reply   time.Duration // the greeting, and every command but these
	data    time.Duration // DATA
	block   time.Duration // taking a block of the mail
	taken   time.Duration // the reply to the final dot
	goodbye time.Duration // QUIT, when everything that matters is done
	before  time.Duration // everything up to the final dot
}

// Longest is how long Send takes at most.
const Longest = beforeDot + afterDot

const (
	beforeDot = 40 * time.Minute
	afterDot  = 10 * time.Minute
)

// rfc5321 are the least waits of RFC 5321, section 4.5.3.2. A client that waits less
// sends mails again which the server has taken.
func rfc5321() patience {
	return patience{
		connect: 30 * time.Second, reply: 5 * time.Minute, data: 2 * time.Minute, block: 3 * time.Minute,
		taken: afterDot, goodbye: 2 * time.Second, before: beforeDot,
	}
}

const (
	// blockSize is the part of a mail that one wait is for.
	blockSize = 4 << 10
	// maxReplies is all that a server may say in one conversation.
	maxReplies = 1 << 20
)

// conversation is one connection. It is spoken here and not by a library's client,
// since those at hand know keywords of EHLO in capitals alone, and bound their waits
// together (ADR 0006).
type conversation struct {
	ctx    context.Context //nolint:containedctx // of the one Send or Check that it serves
	bare   net.Conn        // under TLS
	conn   net.Conn
	text   *textproto.Conn
	offers map[string][]string // what the server said to EHLO, in capitals
	wait   patience
	until  time.Time // the end of everything before the final dot
	stop   func() bool
	broken bool // beyond a QUIT
}

// open connects and authenticates. The caller closes what it gets.
func (s *Sender) open(ctx context.Context) (*conversation, error) {
	if err := s.config.safe(); err != nil {
		return nil, &failure{step: stepConfig, text: err.Error()}
	}
	dialer := net.Dialer{Timeout: s.wait.connect}
	conn, err := dialer.DialContext(ctx, "tcp", s.config.addr())
	if err != nil {
		return nil, failed(ctx, stepConnect, err)
	}
	c := &conversation{ctx: ctx, bare: conn, wait: s.wait, until: time.Now().Add(s.wait.before)}
	c.over(conn)
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := s.greet(c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *Sender) greet(c *conversation) error {
	tlsConfig := &tls.Config{ServerName: s.config.Host, RootCAs: s.config.RootCAs, MinVersion: tls.VersionTLS12}
	if s.config.TLS == ImplicitTLS {
		if err := c.do(stepTLS, c.wait.reply, func() error { return c.encrypt(tlsConfig) }); err != nil {
			return err
		}
	}
	err := c.do(stepGreeting, c.wait.reply, func() error {
		_, _, err := c.text.ReadResponse(220)
		return err
	})
	if err != nil {
		return err
	}
	name := s.config.EHLO
	if name == "" {
		name = literal(c.bare.LocalAddr())
	}
	if err := c.hello(name); err != nil {
		return err
	}
	switch s.config.TLS {
	case StartTLS:
		if _, offered := c.offers["STARTTLS"]; !offered {
			return &failure{step: stepTLS, text: "the server does not offer STARTTLS, and the mail is not sent without"}
		}
		err := c.do(stepTLS, c.wait.reply, func() error {
			if _, _, err := c.cmd(220, "STARTTLS"); err != nil {
				return err
			}
			return c.encrypt(tlsConfig)
		})
		if err != nil {
			return err
		}
		// What was said in clear is forgotten (RFC 3207, section 4.2).
		if err := c.hello(name); err != nil {
			return err
		}
	case ImplicitTLS, NoTLS:
	default:
		return &failure{step: stepConfig, text: "unknown TLS mode"}
	}
	if s.config.Username == "" {
		return nil
	}
	auth, err := s.mechanism(c.offers["AUTH"])
	if err != nil {
		return err
	}
	return c.do(stepAuth, c.wait.reply, func() error { return c.authenticate(s.config.Host, auth) })
}

// hello introduces the client, as the oldest servers want it where they refuse EHLO.
func (c *conversation) hello(name string) error {
	return c.do(stepGreeting, c.wait.reply, func() error {
		c.offers = nil
		_, said, err := c.cmd(250, "EHLO "+name)
		if reply, ok := errors.AsType[*textproto.Error](err); ok && reply.Code >= 500 {
			_, _, err = c.cmd(250, "HELO "+name)
			return err
		}
		if err == nil {
			c.offers = keywords(said)
		}
		return err
	})
}

// keywords reads the reply to EHLO: keywords and parameters in any case (RFC 5321,
// section 2.4), also in the form "AUTH=LOGIN" of servers before RFC 2554.
func keywords(reply string) map[string][]string {
	offers := map[string][]string{}
	for _, line := range strings.Split(reply, "\n")[1:] {
		words := strings.FieldsFunc(strings.ToUpper(line), func(r rune) bool {
			return r == ' ' || r == '\t' || r == '='
		})
		if len(words) > 0 {
			offers[words[0]] = append(offers[words[0]], words[1:]...)
		}
	}
	return offers
}

// mechanism picks one that the server offers. Over verified TLS that is PLAIN, which every server
// with accounts has; in clear, on loopback alone, one that hides the password
// comes first.
func (s *Sender) mechanism(offered []string) (smtp.Auth, error) {
	order := []string{"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5"}
	inClear := s.config.TLS == NoTLS
	if inClear {
		order = []string{"SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"}
	}
	user, pass, host := s.config.Username, s.config.Password, s.config.Host
	for _, mechanism := range order {
		if !slices.Contains(offered, mechanism) {
			continue
		}
		switch mechanism {
		case "PLAIN":
			return smtp.PlainAuth("", user, pass, host, inClear), nil
		case "LOGIN":
			return smtp.LoginAuth(user, pass, host, inClear), nil
		case "SCRAM-SHA-256":
			return smtp.ScramSHA256Auth(user, pass), nil
		case "SCRAM-SHA-1":
			return smtp.ScramSHA1Auth(user, pass), nil
		case "CRAM-MD5":
			return smtp.CRAMMD5Auth(user, pass), nil
		}
	}
	return nil, &failure{step: stepAuth, text: "the server offers no way to sign in with user and password"}
}

// authenticate runs the exchange of RFC 4954.
func (c *conversation) authenticate(host string, a smtp.Auth) error {
	_, encrypted := c.conn.(*tls.Conn)
	name, first, err := a.Start(&smtp.ServerInfo{Name: host, TLS: encrypted, Auth: c.offers["AUTH"]})
	if err != nil {
		return err
	}
	line := "AUTH " + name
	if len(first) > 0 {
		line += " " + base64.StdEncoding.EncodeToString(first)
	}
	for {
		code, said, err := c.cmd(0, line)
		if err != nil {
			return err
		}
		challenge, more := []byte(said), code == 334
		switch {
		case more:
			challenge, err = base64.StdEncoding.DecodeString(said)
		case code != 235:
			return &textproto.Error{Code: code, Msg: said}
		}
		var answer []byte
		if err == nil {
			answer, err = a.Next(challenge, more)
		}
		if err != nil && more {
			_, _, _ = c.cmd(501, "*") // takes the attempt back
		}
		if err != nil || !more {
			return err
		}
		line = base64.StdEncoding.EncodeToString(answer)
	}
}

// transfer hands the mail over.
func (c *conversation) transfer(e envelope) error {
	from := "MAIL FROM:" + e.from
	if size, offered := c.offers["SIZE"]; offered {
		if len(size) > 0 {
			if most, err := strconv.Atoi(size[0]); err == nil && most > 0 && len(e.content) > most {
				return &failure{step: stepContent, text: "the mail is larger than the server takes", final: true}
			}
		}
		from += " SIZE=" + strconv.Itoa(len(e.content))
	}
	if e.utf8 {
		if _, offered := c.offers["SMTPUTF8"]; !offered {
			return &failure{step: stepSender, text: "the sender's local part is not ASCII, " +
				"and the server does not offer SMTPUTF8"}
		}
		// RFC 6531, section 3.1: whoever offers the one offers the other.
		from += " BODY=8BITMIME SMTPUTF8"
	}
	for _, s := range []struct {
		step    step
		limit   time.Duration
		expect  int
		command string
	}{
		{stepSender, c.wait.reply, 250, from},
		{stepRecipient, c.wait.reply, 25, "RCPT TO:" + e.to},
		{stepContent, c.wait.data, 354, "DATA"},
	} {
		err := c.do(s.step, s.limit, func() error {
			_, _, err := c.cmd(s.expect, s.command)
			return err
		})
		if err != nil {
			return err
		}
	}
	// A mail that breaks off gets neither the final dot nor QUIT: the server would
	// take the part it has for the whole.
	w := c.text.DotWriter()
	for block := range slices.Chunk(e.content, blockSize) {
		err := c.do(stepContent, c.wait.block, func() error {
			_, err := w.Write(block)
			return err
		})
		if err != nil {
			return err
		}
	}
	// From here on the server may have it, so this wait is never cut for the sake of
	// those before.
	c.until = time.Now().Add(c.wait.taken)
	return c.do(stepContent, c.wait.taken, func() error {
		if err := w.Close(); err != nil {
			return err
		}
		_, _, err := c.text.ReadResponse(250)
		return err
	})
}

// cmd sends a line and reads the reply to it, whose code is of the expected kind
// (see textproto.Reader.ReadResponse).
func (c *conversation) cmd(expect int, line string) (code int, said string, err error) {
	if strings.ContainsAny(line, "\r\n") {
		return 0, "", fmt.Errorf("a command of %d lines", strings.Count(line, "\n")+1)
	}
	if err := c.text.PrintfLine("%s", line); err != nil {
		return 0, "", err
	}
	return c.text.ReadResponse(expect)
}

// encrypt goes on over TLS. What the server sent before is dropped.
func (c *conversation) encrypt(config *tls.Config) error {
	conn := tls.Client(c.conn, config)
	if err := conn.HandshakeContext(c.ctx); err != nil {
		return err
	}
	c.over(conn)
	return nil
}

func (c *conversation) over(conn net.Conn) {
	c.conn = conn
	c.text = textproto.NewConn(struct {
		io.Reader
		io.Writer
		io.Closer
	}{io.LimitReader(conn, maxReplies), conn, conn})
}

// do runs one step within its time.
func (c *conversation) do(at step, limit time.Duration, f func() error) error {
	end := time.Now().Add(limit)
	if end.After(c.until) {
		end = c.until
	}
	err := c.bare.SetDeadline(end)
	if err == nil {
		err = f()
	}
	if err == nil {
		return nil
	}
	answer := failed(c.ctx, at, err)
	c.broken = c.broken || answer.code == 0
	return answer
}

// close says goodbye where the server still listens, and never fails: what
// mattered was decided before.
func (c *conversation) close() {
	if !c.broken {
		_ = c.bare.SetDeadline(time.Now().Add(c.wait.goodbye))
		_, _, _ = c.cmd(221, "QUIT")
	}
	c.stop()
	_ = c.bare.Close()
}

// literal is the address that the client speaks from, for want of a name.
func literal(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return "localhost"
	}
	return addressLiteral(t.AddrPort().Addr())
}
