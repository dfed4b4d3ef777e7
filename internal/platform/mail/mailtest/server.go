package mailtest

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/url"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"canopy.dev/canopy/internal/platform/mail"
)

// patience bounds Wait and the end of a Server.
const patience = 10 * time.Second

// Options say what kind of server New starts. The zero value is a server in
// clear without authentication.
type Options struct {
	// TLS is what the server speaks; empty means mail.NoTLS.
	TLS mail.TLSMode
	// Hosts are the names and IP addresses the certificate is for; empty means
	// those of loopback.
	Hosts []string
	// Username and Password, when set, are needed before a mail is taken, by the
	// mechanism PLAIN.
	Username, Password string
	// Keywords changes the lines of replies that are sent outside STARTTLS, such as
	// strings.ToLower; nil leaves them.
	Keywords func(string) string
	// UTF8 has the server offer SMTPUTF8.
	UTF8 bool
	// MaxSize is the largest mail in bytes, as SIZE tells it; 0 means 1 MiB.
	MaxSize int64
}

// Server is an SMTP server that keeps what it is given. Its methods are safe for
// concurrent use and act on connections that are open already, too.
type Server struct {
	options  Options
	listener net.Listener
	cert     tls.Certificate
	roots    *x509.CertPool
	ended    chan struct{}

	mu       sync.Mutex
	received []Received
	changed  chan struct{} // closed and replaced with every mail
	conns    map[net.Conn]struct{}
	rcpt     int // reply code for recipients, 0 to accept
	content  int // reply code for contents, 0 to accept
	refused  int
	slow     time.Duration
	dot      time.Duration // before the reply to the final dot
	down     bool
}

// New starts a server on 127.0.0.1 with at most one Options, and ends it with
// the test, after which none of its goroutines is left.
func New(t testing.TB, options ...Options) *Server {
	t.Helper()
	s := &Server{ended: make(chan struct{}), changed: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	switch len(options) {
	case 0:
	case 1:
		s.options = options[0]
	default:
		t.Fatal("mailtest: more than one Options")
	}
	if s.options.TLS == "" {
		s.options.TLS = mail.NoTLS
	}
	var err error
	if s.cert, s.roots, err = certificate(s.options.Hosts); err != nil {
		t.Fatalf("mailtest: certificate: %v", err)
	}
	var lc net.ListenConfig
	if s.listener, err = lc.Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
		t.Fatalf("mailtest: %v", err)
	}
	server := smtp.NewServer(backend{s})
	server.Domain = "localhost"
	server.ErrorLog = log.New(io.Discard, "", 0)
	server.MaxRecipients = 1 // every mail of Canopy has one
	server.MaxMessageBytes = cmp.Or(s.options.MaxSize, 1<<20)
	server.EnableSMTPUTF8 = s.options.UTF8
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	// Where keywords are changed, the server doesn't see the TLS beneath.
	server.AllowInsecureAuth = s.options.TLS == mail.NoTLS || s.options.Keywords != nil
	var l net.Listener = gate{s.listener, s}
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{s.cert}, MinVersion: tls.VersionTLS12}
	switch s.options.TLS {
	case mail.StartTLS:
		server.TLSConfig = tlsConfig
	case mail.ImplicitTLS:
		l = tls.NewListener(l, tlsConfig)
	case mail.NoTLS:
	default:
		t.Fatalf("mailtest: unknown TLS mode %q", s.options.TLS)
	}
	if s.options.Keywords != nil {
		l = rewriting{l, s.options.Keywords}
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() {
		close(s.ended)
		_ = s.listener.Close()
		<-served
		s.hangUp()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Errorf("mailtest: connections did not end: %v", err)
		}
	})
	return s
}

// URL is the server as CANOPY_SMTP_URL, with mode and credentials. With TLS a
// client must trust Roots as well.
func (s *Server) URL() string {
	u := url.URL{Scheme: "smtp", Host: s.listener.Addr().String(), RawQuery: "tls=" + string(s.options.TLS)}
	if s.options.Username != "" {
		u.User = url.UserPassword(s.options.Username, s.options.Password)
	}
	return u.String()
}

// Roots trusts the certificate of the server.
func (s *Server) Roots() *x509.CertPool { return s.roots }

// Config is URL read by mail.ParseSMTPURL, with Roots.
func (s *Server) Config() mail.SMTPConfig {
	c, err := mail.ParseSMTPURL(s.URL())
	if err != nil {
		panic("mailtest: " + err.Error())
	}
	c.RootCAs = s.roots
	return c
}

// Refuse makes the server answer RCPT with the code, 400 to 599, until Refuse(0).
// The words of the reply quote the recipient, as those of real servers do.
func (s *Server) Refuse(code int) { s.set(func() { s.rcpt = code }) }

// RefuseContent makes the server answer the end of a mail's content with the
// code, 400 to 599, until RefuseContent(0). The words of the reply quote the
// content, as those of real filters do. What was refused is not kept.
func (s *Server) RefuseContent(code int) { s.set(func() { s.content = code }) }

// Slow makes the server wait for d before each of its replies, until Slow(0).
func (s *Server) Slow(d time.Duration) { s.set(func() { s.slow = d }) }

// SlowDot makes the server keep each mail at once and then wait for d before it
// says so, until SlowDot(0).
func (s *Server) SlowDot(d time.Duration) { s.set(func() { s.dot = d }) }

// Down breaks all connections and, until Up, every new one at once. The port
// stays taken, so that no other process gets it.
func (s *Server) Down() {
	s.set(func() { s.down = true })
	s.hangUp()
}

// Up ends Down.
func (s *Server) Up() { s.set(func() { s.down = false }) }

// Connections is the number of connections open now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Refused is the number of recipients and contents refused so far.
func (s *Server) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refused
}

// Messages are the mails taken so far, oldest first.
func (s *Server) Messages() []Received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// Wait returns as soon as the server has taken n mails in all, and gives all it
// has then. After 10 seconds without it ends the test.
func (s *Server) Wait(t testing.TB, n int) []Received {
	t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		got, changed := slices.Clone(s.received), s.changed
		s.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-changed:
		case <-timeout.C:
			t.Fatalf("mailtest: %d mails after %s, want %d", len(got), patience, n)
		}
	}
}

var tokenInText = regexp.MustCompile(`#token=([A-Za-z0-9_-]+)`)

// Token is the token of the link in the text part. A mail without one ends the
// test.
func Token(t testing.TB, r Received) string {
	t.Helper()
	found := tokenInText.FindStringSubmatch(r.Text)
	if found == nil {
		t.Fatalf("mailtest: no #token= in the text of %q to %s", r.Subject(), r.To)
	}
	return found[1]
}

func (s *Server) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// linger waits for what d says, and no longer than the test.
func (s *Server) linger(d func() time.Duration) {
	var pause time.Duration
	if s.set(func() { pause = d() }); pause <= 0 {
		return
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ended:
	}
}

func (s *Server) hangUp() {
	s.set(func() {
		for c := range s.conns {
			_ = c.Close()
		}
	})
}

func (s *Server) keep(r Received) {
	s.set(func() {
		s.received = append(s.received, r)
		close(s.changed)
		s.changed = make(chan struct{})
	})
}

// gate lets connections in, knows them, and shuts them out while the server is
// down.
type gate struct {
	net.Listener
	s *Server
}

func (g gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		g.s.mu.Lock()
		down := g.s.down
		if !down {
			g.s.conns[c] = struct{}{}
		}
		g.s.mu.Unlock()
		if !down {
			return &patientConn{Conn: c, s: g.s}, nil
		}
		_ = c.Close()
	}
}

// patientConn holds its writes back while the server is slow.
type patientConn struct {
	net.Conn
	s *Server
}

func (c *patientConn) Write(b []byte) (int, error) {
	c.s.linger(func() time.Duration { return c.s.slow })
	return c.Conn.Write(b)
}

func (c *patientConn) Close() error {
	c.s.set(func() { delete(c.s.conns, c.Conn) })
	return c.Conn.Close()
}

// rewriting hands out connections whose replies are changed.
type rewriting struct {
	net.Listener
	change func(string) string
}

func (l rewriting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return rewritten{c, l.change}, err
}

type rewritten struct {
	net.Conn
	change func(string) string
}

// Write changes replies, and leaves what is not text: TLS that begins on top.
func (c rewritten) Write(b []byte) (int, error) {
	changed := b
	if len(b) > 3 && b[0] >= '2' && b[0] <= '5' && (b[3] == '-' || b[3] == ' ') {
		changed = []byte(c.change(string(b)))
	}
	_, err := c.Conn.Write(changed)
	return len(b), err
}

type backend struct{ s *Server }

// NewSession implements smtp.Backend.
func (b backend) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &session{s: b.s, conn: c}, nil
}

// session is one connection; go-smtp calls it from one goroutine.
type session struct {
	s        *Server
	conn     *smtp.Conn
	signedIn bool
	from, to string
	options  smtp.MailOptions
}

func (c *session) AuthMechanisms() []string {
	if c.s.options.Username == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != c.s.options.Username || password != c.s.options.Password {
			return smtp.ErrAuthFailed
		}
		c.signedIn = true
		return nil
	}), nil
}

func (c *session) Mail(from string, o *smtp.MailOptions) error {
	if c.s.options.Username != "" && !c.signedIn {
		return &smtp.SMTPError{Code: 530, EnhancedCode: smtp.EnhancedCode{5, 7, 0}, Message: "Authentication required"}
	}
	c.from, c.options = from, *o
	return nil
}

func (c *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if code := c.s.rcpt; code != 0 {
		c.s.refused++
		return &smtp.SMTPError{
			Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "<" + to + ">: refused",
		}
	}
	c.to = to
	return nil
}

func (c *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	c.s.mu.Lock()
	code := c.s.content
	if code != 0 {
		c.s.refused++
	}
	c.s.mu.Unlock()
	if code != 0 {
		quote := tokenInText.FindString(string(raw))
		return &smtp.SMTPError{
			Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 6, 0}, Message: "content refused near " + quote,
		}
	}
	received, err := read(c.from, c.to, raw)
	if err != nil {
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 6, 0}, Message: "can't be read: " + err.Error()}
	}
	received.EHLO, received.UTF8, received.Size = c.conn.Hostname(), c.options.UTF8, c.options.Size
	c.s.keep(received)
	c.s.linger(func() time.Duration { return c.s.dot })
	return nil
}

func (c *session) Reset()        { c.from, c.to = "", "" }
func (c *session) Logout() error { return nil }
