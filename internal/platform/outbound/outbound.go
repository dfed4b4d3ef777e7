package outbound

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"
)

// Bounds of a call.
const (
	headersWithin = 15 * time.Second // from the first look at the name on
	bodyWithin    = 5 * time.Second  // after the headers
	mostBody      = 64 << 10         // bytes that are read
	mostHeaders   = 32 << 10
	lookWithin    = 3 * time.Second // for a Check to find a name's addresses

	mostIdle = 256
	idleFor  = 30 * time.Second
)

// Failure says why there is no answer.
type Failure string

// The failures.
const (
	Timeout Failure = "timeout"
	DNS     Failure = "dns"
	Connect Failure = "connect"
	TLS     Failure = "tls"
	Refused Failure = "address_refused"
)

// Answer is what a call came to. Without a Failure it has a status.
type Answer struct {
	Status     int
	Body       []byte // its beginning, up to 64 KiB
	RetryAfter string // the header, as it came
	Took       time.Duration
	Failure    Failure
}

// Config says where a Client may go.
type Config struct {
	// Allowed are the networks that are open though they would be refused, and the only
	// ones that may be reached without TLS.
	Allowed []netip.Prefix
	// Lookup finds the addresses of a name; nil asks the system.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)
	// Roots verify certificates; nil takes those of the system.
	Roots *x509.CertPool
	// Headers is how long an answer's headers may take; 0 is 15 seconds.
	Headers time.Duration
	// Body is how long what follows may take; 0 is 5 seconds.
	Body time.Duration
}

// Client posts. It is safe for concurrent use. Make one with New.
type Client struct {
	guard  guard
	lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	headers, body   time.Duration
	secured, opened *http.Transport
}

// New makes a client.
func New(c Config) *Client {
	client := &Client{
		guard: newGuard(c.Allowed), lookup: c.Lookup,
		headers: cmp.Or(c.Headers, headersWithin), body: cmp.Or(c.Body, bodyWithin),
	}
	if client.lookup == nil {
		client.lookup = lookUp
	}
	client.secured = client.transport(client.guard.secured, c.Roots)
	client.opened = client.transport(client.guard.opened, c.Roots)
	return client
}

func lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// transport makes connections whose addresses judge lets through, by HTTP/1.1.
func (c *Client) transport(judge judge, roots *x509.CertPool) *http.Transport {
	dialer := &net.Dialer{Timeout: c.headers, KeepAlive: idleFor, Control: judge.control}
	return &http.Transport{
		Proxy: nil,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.dial(ctx, dialer, network, address)
		},
		TLSClientConfig:    &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		Protocols:          overHTTP1(),
		DisableCompression: true,
		MaxIdleConns:       mostIdle, MaxIdleConnsPerHost: 10, IdleConnTimeout: idleFor,
		MaxResponseHeaderBytes: mostHeaders, TLSHandshakeTimeout: c.headers,
	}
}

func overHTTP1() *http.Protocols {
	var p http.Protocols
	p.SetHTTP1(true)
	return &p
}

// dial connects to the first address of a name that answers.
func (c *Client) dial(ctx context.Context, dialer *net.Dialer, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	found := []netip.Addr{}
	if literal, err := netip.ParseAddr(host); err == nil {
		found = append(found, literal)
	} else if isNumber(host) {
		return nil, errRefused // some resolvers take it for an address
	} else if found, err = c.lookup(ctx, host); err != nil || len(found) == 0 {
		return nil, &lookupError{err}
	}
	var failed error
	for _, a := range found {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		failed = cmp.Or(failed, err)
	}
	return nil, failed
}

// lookupError is that of a name without addresses.
type lookupError struct{ cause error }

func (e *lookupError) Error() string { return "outbound: a name leads nowhere" }
func (e *lookupError) Unwrap() error { return e.cause }

// Post sends a body, once; over a kept connection that the other side has just closed it is
// sent again. What went wrong is in the answer. It returns soon after ctx ends.
func (c *Client) Post(ctx context.Context, to string, header http.Header, body []byte) Answer {
	began := time.Now()
	a := c.post(ctx, to, header, body)
	a.Took = time.Since(began)
	return a
}

func (c *Client) post(ctx context.Context, to string, header http.Header, body []byte) Answer {
	target, err := url.Parse(to)
	if err != nil || Malformed(target) {
		return Answer{Failure: Refused}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(c.headers, func() { cancel(errLate) })
	defer late.Stop()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return Answer{Failure: Refused}
	}
	r.Header = header.Clone()
	r.Header["Idempotency-Key"] = nil // it may be repeated, and the header is not sent
	over := c.secured
	if target.Scheme == "http" {
		over = c.opened
	}
	// RoundTrip follows no redirect and keeps no cookie.
	response, err := over.RoundTrip(r)
	if err != nil {
		return Answer{Failure: failureOf(ctx, err)}
	}
	defer response.Body.Close()
	if !late.Reset(c.body) {
		cancel(errLate)
	}
	// One byte more finds the end of a body of just this size, and so keeps its connection.
	raw, _ := io.ReadAll(io.LimitReader(response.Body, mostBody+1))
	return Answer{
		Status: response.StatusCode, Body: raw[:min(len(raw), mostBody)], RetryAfter: response.Header.Get("Retry-After"),
	}
}

var errLate = errors.New("outbound: no answer in time")

func failureOf(ctx context.Context, err error) Failure {
	_, name := errors.AsType[*lookupError](err)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, errRefused):
		return Refused
	case errors.Is(context.Cause(ctx), errLate), timeout != nil && timeout.Timeout():
		return Timeout
	case name:
		return DNS
	case ofTLS(err):
		return TLS
	}
	return Connect
}

func ofTLS(err error) bool {
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, record := errors.AsType[tls.RecordHeaderError](err)
	_, alert := errors.AsType[tls.AlertError](err)
	return certificate || record || alert
}
