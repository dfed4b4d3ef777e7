package secret

import (
	"context"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/foundation/fault"
)

// Lane keeps kinds of people apart while they wait for a hash, so that a customer's
// end users never keep an administrator out.
type Lane int

// The lanes, which are served in turn.
const (
	PortalUsers Lane = iota
	Identities
	lanes
)

// From is the caller that waits for a hash.
type From struct {
	Lane    Lane
	Network string // what limits see of a client: an IPv4 address, or the /64 of an IPv6 address
}

// mostAtOnce is how many hashes of one network are at work while another waits.
const mostAtOnce = 2

// pool lets a number of hashes work at once, and the networks that wait in turn.
type pool struct {
	workers, queue int // queue bounds the callers that wait in a lane

	mu      sync.Mutex
	working int
	at      map[string]int // hashes at work, by network
	waiting [lanes]lane
	next    Lane // whose turn it is
}

// lane is what waits in it: the networks in the order of their turns, each with its
// calls, oldest first.
type lane struct {
	networks []*line
	calls    int
}

type line struct {
	network string
	calls   []*call
}

// call is one that waits. Its channel is closed when it is its turn or when it is
// refused, as refused then says.
type call struct {
	from    From
	turn    chan struct{}
	refused bool
}

func newPool(workers, queue int) *pool {
	return &pool{workers: workers, queue: queue, at: map[string]int{}}
}

// enter waits for a turn, which leave ends. A full lane refuses the newest call of the
// network that has most of them waiting, with fault.Busy.
func (p *pool) enter(ctx context.Context, from From) error {
	c := &call{from: from, turn: make(chan struct{})}
	p.mu.Lock()
	p.add(c)
	p.serve()
	p.shorten(from.Lane)
	p.mu.Unlock()
	select {
	case <-c.turn:
	case <-ctx.Done():
		if p.forget(c) {
			return ctx.Err()
		}
		<-c.turn // it was its turn just now
		if !c.refused {
			p.leave(from)
		}
		return ctx.Err()
	}
	if c.refused {
		return fault.Busy
	}
	return nil
}

func (p *pool) leave(from From) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.working--
	if p.at[from.Network]--; p.at[from.Network] == 0 {
		delete(p.at, from.Network)
	}
	p.serve()
}

func (p *pool) add(c *call) {
	l := &p.waiting[c.from.Lane]
	l.calls++
	i := slices.IndexFunc(l.networks, func(n *line) bool { return n.network == c.from.Network })
	if i < 0 {
		l.networks = append(l.networks, &line{network: c.from.Network})
		i = len(l.networks) - 1
	}
	l.networks[i].calls = append(l.networks[i].calls, c)
}

// serve gives free workers to those whose turn it is.
func (p *pool) serve() {
	for p.working < p.workers {
		c := p.pick()
		if c == nil {
			return
		}
		p.working++
		p.at[c.from.Network]++
		close(c.turn)
	}
}

// pick takes the oldest call of the next network in the next lane; nil when none may
// begin.
func (p *pool) pick() *call {
	for n := range lanes {
		at := (p.next + n) % lanes
		l := &p.waiting[at]
		for i, waits := range l.networks {
			if p.at[waits.network] >= mostAtOnce && p.othersThan(waits.network) {
				continue
			}
			c := waits.calls[0]
			l.remove(i, 0)
			if i < len(l.networks) && l.networks[i] == waits { // it goes to the end of the line
				l.networks = append(slices.Delete(l.networks, i, i+1), waits)
			}
			p.next = (at + 1) % lanes
			return c
		}
	}
	return nil
}

// othersThan reports whether another network waits.
func (p *pool) othersThan(network string) bool {
	for i := range p.waiting {
		for _, n := range p.waiting[i].networks {
			if n.network != network {
				return true
			}
		}
	}
	return false
}

// shorten refuses what a lane has no room for.
func (p *pool) shorten(in Lane) {
	l := &p.waiting[in]
	for l.calls > p.queue {
		longest := 0
		for i, n := range l.networks {
			if len(n.calls) >= len(l.networks[longest].calls) {
				longest = i
			}
		}
		newest := len(l.networks[longest].calls) - 1
		c := l.networks[longest].calls[newest]
		l.remove(longest, newest)
		c.refused = true
		close(c.turn)
	}
}

// forget takes a call out of its line; false when it waits no more.
func (p *pool) forget(c *call) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &p.waiting[c.from.Lane]
	for i, n := range l.networks {
		if at := slices.Index(n.calls, c); at >= 0 {
			l.remove(i, at)
			return true
		}
	}
	return false
}

func (l *lane) remove(network, at int) {
	n := l.networks[network]
	n.calls = slices.Delete(n.calls, at, at+1)
	l.calls--
	if len(n.calls) == 0 {
		l.networks = slices.Delete(l.networks, network, network+1)
	}
}

func (p *pool) length() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for i := range p.waiting {
		n += p.waiting[i].calls
	}
	return int64(n)
}
