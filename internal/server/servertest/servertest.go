// Package servertest runs whole servers in tests, on both engines, with a clock
// that the test turns and mail that the test reads.
package servertest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/server"
)

// Clock is what a server takes for the time. It goes on with the real one and
// can be turned or stopped.
type Clock struct {
	mu      sync.Mutex
	ahead   time.Duration
	stopped time.Time
}

// Now is the time of the test.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped.IsZero() {
		return c.stopped
	}
	return time.Now().Add(c.ahead)
}

// Stop holds the clock at an instant.
func (c *Clock) Stop(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = at
}

// Advance turns the clock ahead, or back.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

// Server is one running Canopy.
type Server struct {
	*server.Server
	URL   string
	DB    *database.DB
	Mail  *server.DevMail
	Clock *Clock
	Log   *Log

	t         testing.TB
	transport *http.Transport // of all clients; tests side by side share none
	asked     *asked
}

// Log keeps what the server logs.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

// String is everything logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Each runs fn against a server on SQLite and one on PostgreSQL, side by side.
// Limits are off and mail is caught unless change sets limits or an SMTP server;
// change may be nil.
func Each(t *testing.T, change func(*config.Settings), fn func(t *testing.T, s *Server)) {
	t.Helper()
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		t.Run(string(engine), func(t *testing.T) {
			t.Parallel()
			fn(t, New(t, engine, change))
		})
	}
}

// For is the same server for a subtest, which then fails by itself.
func (s *Server) For(t testing.TB) *Server {
	own := *s
	own.t = t
	return &own
}

// secretKey is the install key of all test servers.
var secretKey = base64.StdEncoding.EncodeToString(make([]byte, secret.KeySize))

// prepared holds a signing key, since making one takes longer than most tests.
var prepared = dbtest.NewTemplate(func(ctx context.Context, db *database.DB) error {
	box, err := secret.NewBox(make([]byte, secret.KeySize))
	if err != nil {
		return err
	}
	return signingkey.New(signingkey.Config{DB: db, Box: box}).Ensure(ctx)
})

// New runs a server until the test ends.
func New(t testing.TB, engine database.Engine, change func(*config.Settings)) *Server {
	t.Helper()
	h := httptest.NewUnstartedServer(nil)
	settings := config.Settings{
		PublicURL: "http://" + h.Listener.Addr().String(), DatabaseURL: "sqlite:unused.db", SecretKey: secretKey,
		MailFrom: "Canopy <no-reply@canopy.test>", Signup: "open", RateLimits: "off",
		InviteTTL: 168 * time.Hour, PasswordHistory: 5, AccessTTL: 15 * time.Minute,
		RefreshTTL: 720 * time.Hour, RefreshMax: 2160 * time.Hour,
	}
	if change != nil {
		change(&settings)
	}
	c, err := settings.Check()
	if err != nil {
		t.Fatal(err)
	}
	clock, log, mail := &Clock{}, &Log{}, &server.DevMail{}
	db := prepared.Open(t, engine, clock.Now)
	o := server.Options{
		Config: c, DB: db, Log: slog.New(slog.NewTextHandler(log, nil)),
		Hash: secret.Params{MemoryKiB: 64, Time: 1, Threads: 1},
	}
	if settings.SMTPURL == "" {
		o.Sender = mail
	}
	s, err := server.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	h.Config.Handler = s.Router
	h.Start()
	transport := http.DefaultTransport.(*http.Transport).Clone()
	requests := &asked{}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		h.Close()
		s.Wait()
		requests.holdEvents(t, db)
	})
	return &Server{
		Server: s, URL: h.URL, DB: db, Mail: mail, Clock: clock, Log: log, t: t, transport: transport, asked: requests,
	}
}

// Answer is what a call got.
type Answer struct {
	Status int
	Header http.Header
	Body   map[string]any
	Raw    string
}

// newAnswer reads the body where it is JSON.
func newAnswer(status int, header http.Header, raw string) (Answer, error) {
	a := Answer{Status: status, Header: header, Raw: raw}
	media := header.Get("Content-Type")
	if raw == "" || !strings.Contains(media, "json") || strings.Contains(media, "ndjson") {
		return a, nil
	}
	return a, json.Unmarshal([]byte(raw), &a.Body)
}

// Code is the error code of the answer, "" without one.
func (a Answer) Code() string {
	code, _ := a.At("error", "code").(string)
	return code
}

// At follows a path of members and of places in lists, nil where it ends.
func (a Answer) At(path ...string) any {
	var v any = a.Body
	for _, name := range path {
		switch of := v.(type) {
		case map[string]any:
			v = of[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(of) {
				return nil
			}
			v = of[i]
		default:
			return nil
		}
	}
	return v
}

// Text is At for strings.
func (a Answer) Text(path ...string) string {
	s, _ := a.At(path...).(string)
	return s
}

// Outcome is an answer in one word: its error code, or ok.
func Outcome(a Answer) string { return cmp.Or(a.Code(), "ok") }

// Client is a caller with a bearer token and a cookie jar of its own.
type Client struct {
	s     *Server
	http  *http.Client
	Token string
}

// Client makes a caller without credentials.
func (s *Server) Client() *Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return &Client{s: s, http: &http.Client{Jar: jar, Transport: s.transport}}
}

// CookieValue is a cookie that the caller holds for a path, "" without one.
func (c *Client) CookieValue(path, name string) string {
	c.s.t.Helper()
	u, err := url.Parse(c.s.URL + path)
	if err != nil {
		c.s.t.Fatal(err)
	}
	for _, cookie := range c.http.Jar.Cookies(u) {
		if cookie.Name == name {
			return cookie.Value
		}
	}
	return ""
}

// Do sends a request; body is a string as it is, else JSON; header holds pairs.
// It may be called by several goroutines.
func (c *Client) Do(method, path string, body any, header ...string) Answer {
	t := c.s.t
	t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		raw, err := json.Marshal(b, json.Deterministic(true))
		if err != nil {
			t.Error(err)
			return Answer{}
		}
		reader = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, c.s.URL+path, reader)
	if err != nil {
		t.Error(err)
		return Answer{}
	}
	if reader != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		t.Error(err)
		return Answer{}
	}
	defer res.Body.Close()
	var raw []byte
	if res.Header.Get("Content-Type") != "text/event-stream" { // which has no end
		raw, err = io.ReadAll(res.Body)
	}
	if err != nil {
		t.Error(err)
	}
	a, err := newAnswer(res.StatusCode, res.Header, string(raw))
	if err != nil {
		t.Errorf("%s %s answers something that is not a JSON object: %v: %s", method, path, err, raw)
	}
	document, err := ours()
	if err == nil {
		c.s.asked.note(a.Header.Get("X-Request-Id"), document.events(req))
		err = document.hold(req, a)
	}
	if err != nil {
		t.Errorf("%s %s against our own document: %v", method, path, err)
	}
	return a
}

// Must is Do for a call that has to answer with a status.
func (c *Client) Must(status int, method, path string, body any, header ...string) Answer {
	c.s.t.Helper()
	a := c.Do(method, path, body, header...)
	if a.Status != status {
		c.s.t.Fatalf("%s %s answers %d, want %d: %s", method, path, a.Status, status, a.Raw)
	}
	return a
}

// Map is a JSON object.
type Map = map[string]any

// AtOnce calls fn n times at the same time and counts what it gives.
func AtOnce(n int, fn func() string) map[string]int { return dbtest.AtOnce(n, fn) }
