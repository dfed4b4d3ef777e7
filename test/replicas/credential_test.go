package replicas_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// credential lets calls in: the value of an API key, or a token of a session.
type credential struct {
	header []string // its name and value
	place  string   // what the paths of its calls begin with
	lives  []life
}

// life is a time for which a credential is good: from born to dying for sure, and neither
// before it was asked for nor after it was dead.
type life struct {
	asked, born time.Time // when it was asked for, and when that was answered
	dying, dead time.Time // when its end was asked for, and when that was answered
}

// String implements fmt.Stringer.
func (l life) String() string {
	return fmt.Sprintf("from %s, %s to %s, %s", clock(l.asked), clock(l.born), clock(l.dying), clock(l.dead))
}

func clock(t time.Time) string {
	if t.Equal(never) {
		return "never"
	}
	return t.Format("15:04:05.000000")
}

// never is when something happens that has not.
var never = time.Unix(1<<40, 0)

const (
	publicPlace  = "/api/v1"
	accountPlace = "/portal/v1/accounts/acme"
	portalPlace  = accountPlace + "/applications/desk/environments/development"
)

// anybody is no credential.
var anybody = &credential{}

// byKey is the credential of a key's value.
func byKey(value string) *credential {
	return &credential{header: []string{"X-API-Key", value}, place: publicPlace}
}

// byToken is the credential of an access token.
func byToken(value, place string) *credential {
	return &credential{header: []string{"Authorization", "Bearer " + value}, place: place}
}

// asked begins a life, unless the one that was asked for last is still going on.
func (c *credential) asked(at time.Time) {
	if n := len(c.lives); n == 0 || !c.lives[n-1].dying.Equal(never) {
		c.lives = append(c.lives, life{at, never, never, never})
	}
}

func (c *credential) born(at time.Time) { c.lives[len(c.lives)-1].born = at }

// dying says that its end is asked for, perhaps not for the first time.
func (c *credential) dying(at time.Time) {
	if last := &c.lives[len(c.lives)-1]; last.dying.Equal(never) {
		last.dying = at
	}
}

func (c *credential) dead(at time.Time) { c.lives[len(c.lives)-1].dead = at }

// may says whether it can have been good at some moment of a time, must whether it was good
// all the while.
func (c *credential) may(since, until time.Time) (may, must bool) {
	for _, l := range c.lives {
		may = may || !until.Before(l.asked) && !since.After(l.dead)
		must = must || since.After(l.born) && until.Before(l.dying)
	}
	return may, must
}

// ring is the credentials that came into being last, good or not any more. It is safe for
// concurrent use.
type ring struct {
	mu   sync.Mutex
	list []*credential
	n    int
}

// ringSize is how many credentials clients still use: about half of them are good.
const ringSize = someKeyValues + someSessions

func (g *ring) put(c *credential) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.list) < ringSize {
		g.list = append(g.list, c)
		return
	}
	g.list[g.n%ringSize] = c
	g.n++
}

// some is any of them; nil for none.
func (g *ring) some(r *rand.Rand) *credential {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.list) == 0 {
		return nil
	}
	return pick(r, g.list)
}
