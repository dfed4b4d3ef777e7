package mail

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	netmail "net/mail"
	"slices"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// stepTimeout bounds each step of a conversation: connecting, the TLS
// handshake, every command with its reply, the transfer of the mail.
const stepTimeout = 10 * time.Second

// Sender hands mails to the mail server, one connection for each. It is safe
// for concurrent use.
type Sender struct {
	// Now gives the Date header; nil means time.Now. It is set before first use.
	Now func() time.Time

	config SMTPConfig
	step   time.Duration
}

// NewSender makes a Sender. It connects to nothing yet: whether the server can
// be reached is what Check tells.
func NewSender(c SMTPConfig) *Sender {
	if c.TLS == "" {
		c.TLS = StartTLS
	}
	return &Sender{config: c, step: stepTimeout}
}

// Send hands m over and returns nil once the server has taken charge of it. It
// tries once; every step is bounded by 10 seconds and by ctx. IsPermanent tells
// whether another attempt makes sense. The error names the step and the server's
// reply code, and repeats nothing of the mail, its recipient or the server's
// words; it wraps context errors.
//
// A connection that breaks after the mail was transferred and before the reply
// is an error although the server may have it: the next attempt carries the same
// Message-ID.
func (s *Sender) Send(ctx context.Context, m Message) error {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	e, err := pack(m, now())
	if err != nil {
		return err
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.do(stepSender, func() error { return c.client.Mail(e.from) }); err != nil {
		return err
	}
	if err := c.do(stepRecipient, func() error { return c.client.Rcpt(e.to) }); err != nil {
		return err
	}
	return c.do(stepContent, func() error {
		w, err := c.client.Data()
		if err != nil {
			return err
		}
		if _, err := w.Write(e.content); err != nil {
			// Neither the final dot nor QUIT may follow: the server would take the
			// part it has for the whole.
			c.broken = true
			return err
		}
		return w.Close()
	})
}

// Check connects, does what TLS and authentication ask for, and says goodbye.
// No mail is sent. The error is like that of Send.
func (s *Sender) Check(ctx context.Context) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	c.close()
	return nil
}

// conversation is one connection, past authentication.
type conversation struct {
	ctx    context.Context //nolint:containedctx // of the one Send or Check that it serves
	conn   net.Conn        // the bare one, under TLS
	client *smtp.Client
	step   time.Duration
	stop   func() bool
	broken bool // beyond a QUIT
}

// open connects and authenticates. The caller closes what it gets.
func (s *Sender) open(ctx context.Context) (*conversation, error) {
	if err := s.config.safe(); err != nil {
		return nil, &failure{step: stepConfig, text: err.Error()}
	}
	dialer := net.Dialer{Timeout: s.step}
	conn, err := dialer.DialContext(ctx, "tcp", s.config.addr())
	if err != nil {
		return nil, failed(ctx, stepConnect, err)
	}
	c := &conversation{ctx: ctx, conn: conn, step: s.step}
	c.stop = context.AfterFunc(ctx, func() { _ = conn.Close() })
	if err := s.greet(c); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (s *Sender) greet(c *conversation) error {
	tlsConfig := &tls.Config{ServerName: s.config.Host, RootCAs: s.config.RootCAs, MinVersion: tls.VersionTLS12}
	conn := c.conn
	if s.config.TLS == ImplicitTLS {
		over := tls.Client(conn, tlsConfig)
		if err := c.do(stepTLS, func() error { return over.HandshakeContext(c.ctx) }); err != nil {
			return err
		}
		conn = over
	}
	err := c.do(stepGreeting, func() (err error) {
		c.client, err = smtp.NewClient(conn, s.config.Host)
		return err
	})
	if err != nil {
		return err
	}
	c.client.SkipSMTPUTF8(true) // every address is ASCII
	if err := c.do(stepGreeting, func() error { return c.client.Hello(literal(c.conn.LocalAddr())) }); err != nil {
		return err
	}
	switch s.config.TLS {
	case StartTLS:
		if offered, _ := c.client.Extension("STARTTLS"); !offered {
			return &failure{step: stepTLS, text: "the server does not offer STARTTLS, and the mail is not sent without"}
		}
		if err := c.do(stepTLS, func() error { return c.client.StartTLS(tlsConfig) }); err != nil {
			return err
		}
	case ImplicitTLS, NoTLS:
	default:
		return &failure{step: stepConfig, text: "unknown TLS mode"}
	}
	if s.config.Username == "" {
		return nil
	}
	auth, err := s.auth(c.client)
	if err != nil {
		return err
	}
	return c.do(stepAuth, func() error { return c.client.Auth(auth) })
}

// auth picks the mechanism. Over verified TLS that is PLAIN, which every server
// with accounts has; in clear, on loopback alone, one that hides the password
// comes first.
func (s *Sender) auth(client *smtp.Client) (smtp.Auth, error) {
	_, list := client.Extension("AUTH")
	offered := strings.Fields(strings.ToUpper(list))
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

// do runs one step within its time.
func (c *conversation) do(at step, f func() error) error {
	err := c.conn.SetDeadline(time.Now().Add(c.step))
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
	if c.client != nil && !c.broken {
		_ = c.conn.SetDeadline(time.Now().Add(min(c.step, 2*time.Second)))
		_ = c.client.Quit()
	}
	c.stop()
	_ = c.conn.Close()
}

// literal is how the client names itself: by the address it speaks from (RFC
// 5321, section 4.1.4), which every server accepts and which tells no host name.
func literal(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	switch {
	case !ok:
		return "localhost"
	case t.IP.To4() != nil:
		return "[" + t.IP.To4().String() + "]"
	}
	return "[IPv6:" + t.IP.String() + "]"
}

// envelope is a Message as it travels; the addresses stand in angle brackets.
type envelope struct {
	from, to string
	content  []byte
}

// pack checks m and writes it out. Nothing reaches a header that is not one
// line of the kind that belongs there.
func pack(m Message, date time.Time) (envelope, error) {
	from, err := netmail.ParseAddress(m.From)
	left, right, _ := strings.Cut(m.MessageID, "@")
	switch {
	case err != nil || !headerSafe(m.From):
		return envelope{}, malformed("the sender is not an address")
	case !bareAddress(m.To):
		return envelope{}, malformed("the recipient is not a bare ASCII address")
	case !dotAtom.MatchString(left) || right == "" || !headerSafe(right) || strings.ContainsAny(right, "<>@ "):
		return envelope{}, malformed("the Message-ID is not of the form left@right")
	case m.Subject == "" || oneLine(m.Subject) != m.Subject:
		return envelope{}, malformed("the subject is empty or not one plain line")
	case m.Text == "" || m.HTML == "":
		return envelope{}, malformed("a body is missing")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithCharset(gomail.CharsetUTF8),
		gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(from)
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(date.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return envelope{}, malformed("can't be written out")
	}
	return envelope{
		from: (&netmail.Address{Address: from.Address}).String(), to: "<" + m.To + ">", content: content.Bytes(),
	}, nil
}

func malformed(text string) error {
	return &failure{step: stepMessage, text: text, cause: errMalformed, final: true}
}

var errMalformed = errors.New("mail: malformed message")
