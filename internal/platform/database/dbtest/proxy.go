package dbtest

import (
	"cmp"
	"context"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands before a PostgreSQL server and plays what networks and servers do to
// connections. It is safe for concurrent use.
type Proxy struct {
	URL string // of the database, through the proxy

	network, server string
	mu              sync.Mutex
	moved           *sync.Cond // something below has changed
	conns           map[net.Conn]net.Conn
	stalled, down   bool
	delay           time.Duration
	opened          int
}

// NewProxy stands before the database of an address, one of URL's, until the test
// ends.
func NewProxy(t testing.TB, address string) *Proxy {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{network: "tcp", conns: map[net.Conn]net.Conn{}}
	p.moved = sync.NewCond(&p.mu)
	q := u.Query()
	host, port := cmp.Or(q.Get("host"), u.Hostname(), "127.0.0.1"), cmp.Or(q.Get("port"), u.Port(), "5432")
	p.server = net.JoinHostPort(host, port)
	if strings.HasPrefix(host, "/") {
		p.network, p.server = "unix", filepath.Join(host, ".s.PGSQL."+port)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	q.Del("host")
	q.Del("port")
	q.Set("sslmode", "disable")
	u.Host, u.RawQuery = ln.Addr().String(), q.Encode()
	p.URL = u.String()
	var wg sync.WaitGroup
	wg.Go(func() { p.accept(ln, &wg) })
	t.Cleanup(func() {
		_ = ln.Close()
		p.Down()
		wg.Wait()
	})
	return p
}

// Opened is how many connections there have been.
func (p *Proxy) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// Reset breaks all connections in the middle of whatever they do; new ones get
// through.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut()
}

// Down breaks all connections and lets none through until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.stalled = true, false
	p.cut()
}

// Stall keeps all connections open, new ones too, and lets nothing through until Up:
// a server that was stopped, or a network that swallows.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stalled = true
}

// Delay has whatever is sent take longer, in each direction, from now on.
func (p *Proxy) Delay(by time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = by
}

// Up ends Down and Stall.
func (p *Proxy) Up() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.stalled = false, false
	p.moved.Broadcast()
}

func (p *Proxy) cut() {
	for client, server := range p.conns {
		if c, ok := client.(*net.TCPConn); ok {
			_ = c.SetLinger(0) // a reset, and no farewell
		}
		_ = client.Close()
		_ = server.Close()
	}
	clear(p.conns)
	p.moved.Broadcast()
}

func (p *Proxy) accept(ln net.Listener, wg *sync.WaitGroup) {
	for {
		client, err := ln.Accept()
		if err != nil {
			return
		}
		server, err := new(net.Dialer).DialContext(context.Background(), p.network, p.server)
		p.mu.Lock()
		if err != nil || p.down {
			p.mu.Unlock()
			_ = client.Close()
			if server != nil {
				_ = server.Close()
			}
			continue
		}
		p.conns[client] = server
		p.opened++
		p.mu.Unlock()
		wg.Go(func() { p.pipe(client, client, server) })
		wg.Go(func() { p.pipe(client, server, client) })
	}
}

// pipe copies one direction of the connection that the client is the key of.
func (p *Proxy) pipe(client, from, to net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.stalled && p.conns[client] != nil {
			p.moved.Wait()
		}
		delay := p.delay
		p.mu.Unlock()
		if delay > 0 {
			time.Sleep(delay)
		}
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	p.mu.Lock()
	delete(p.conns, client)
	p.mu.Unlock()
	_ = from.Close()
	_ = to.Close()
}
