package replicas_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
)

// call is what a process is asked for.
type call struct {
	by                 *credential
	method, path, body string
	maxAge             time.Duration // of what the answer may stand on; 0: nothing
}

// call lets a process answer, and keeps whether the credential let the call in. What was there
// before since has to be in the answer.
func (x *run) call(process int, c call) (a answer, since, ended time.Time) {
	var header []string
	if c.maxAge > 0 {
		header = []string{"Canopy-Consistency", fmt.Sprintf("bounded; max-age=%d", int(c.maxAge.Seconds()))}
	}
	began := time.Now()
	a = x.at(x.t.Context(), process, c.by, c.method, c.path, c.body, header...)
	ended = time.Now()
	since = began.Add(-x.age(a, c.maxAge))
	if c.by != anybody && a.status != 0 && a.status/100 != 5 {
		x.heard.mu.Lock()
		x.heard.entries = append(x.heard.entries, entry{
			c.by, a.status != http.StatusUnauthorized, c.method + " " + c.path, since, ended,
		})
		x.heard.mu.Unlock()
	}
	return a, since, ended
}

// age is how old what the answer stands on can be, by what it says itself, and held to what
// was allowed. A refusal says nothing.
func (x *run) age(a answer, maxAge time.Duration) time.Duration {
	told, bounded := strings.CutPrefix(a.consistency, "bounded; age=")
	seconds, err := strconv.ParseFloat(told, 64)
	age := time.Duration(seconds * float64(time.Second))
	switch {
	case maxAge > 0 && a.status == http.StatusUnauthorized:
		return maxAge
	case !bounded && (a.consistency == "" || a.consistency == "strict"):
		return 0
	case err != nil || age < 0 || age > maxAge:
		x.t.Errorf("with a max-age of %v it answers %q: %s", maxAge, a.consistency, a.raw)
	}
	x.heard.count("an answer of some age")
	return age + 2*time.Millisecond // it is rounded
}

func (x *run) write(r *rand.Rand) {
	one, by := x.someWrite(r), x.someone(r)
	a, _, ended := x.call(x.next(), call{by: by, method: one.method, path: by.place + one.path, body: one.body})
	x.wrote(one.what, a, ended, one.done)
}

// wrote keeps what became of a write.
func (x *run) wrote(what string, a answer, ended time.Time, done func(answer) func(*oracle.World)) {
	switch {
	case a.wrote() && a.revision > 0:
		meaning := done(a)
		x.heard.count("an answered write")
		x.heard.mu.Lock()
		x.heard.writes = append(x.heard.writes, written{what, a.revision, ended, meaning})
		x.heard.mu.Unlock()
	case a.wrote():
		x.t.Errorf("%s: %d without a revision: %s", what, a.status, a.raw)
	case a.status == 0:
		x.heard.count("a write without an answer")
		time.Sleep(lostPause)
	case a.status/100 == 5:
		x.heard.count("a write with " + http.StatusText(a.status))
		x.unwell(a, what)
	default:
		x.heard.count("a write that was refused")
	}
}

// unwell holds a failure to what may be said of one, and rests.
func (x *run) unwell(a answer, what string) {
	if a.status != http.StatusServiceUnavailable || a.again == "" {
		x.t.Errorf("%s: %d, Retry-After %q: %s", what, a.status, a.again, a.raw)
	}
	time.Sleep(lostPause)
}

func (x *run) ask(r *rand.Rand) { x.askAt(r, x.next(), x.someone(r)) }

// askAt asks a process.
func (x *run) askAt(r *rand.Rand, process int, by *credential) {
	q, body := x.someQuestion(r)
	c := call{by: by, method: http.MethodPost, path: by.place + "/permissions/evaluate", body: body}
	if r.IntN(ofBounded) == 0 {
		c.maxAge = time.Duration(1+r.IntN(2)) * time.Second
	}
	a, since, ended := x.call(process, c)
	switch a.status {
	case http.StatusOK:
		told, err := decided(a.raw)
		if err != nil {
			x.t.Errorf("%s: %v", a.raw, err)
			return
		}
		x.heard.count("an answer")
		x.heard.mu.Lock()
		x.heard.reads = append(x.heard.reads, asked{q, told, a.revision, since, ended})
		x.heard.mu.Unlock()
	case http.StatusUnauthorized:
		x.heard.count("a question of nobody known")
	case 0:
		x.heard.count("a question without an answer")
		time.Sleep(lostPause)
	default:
		x.heard.count("a question with " + http.StatusText(a.status))
		x.unwell(a, "a question")
	}
}

// decided reads an answer.
func decided(raw []byte) (decide.Decision, error) {
	var a struct {
		Data struct {
			Allowed bool     `json:"allowed"`
			Roles   []string `json:"granting_roles"`
			Reason  *string  `json:"denial_reason"`
		} `json:"data"`
	}
	err := json.Unmarshal(raw, &a)
	d := decide.Decision{Allowed: a.Data.Allowed, GrantingRoles: a.Data.Roles}
	for r := decide.IdentityNotFound; a.Data.Reason != nil && r <= decide.PermissionNotGranted; r++ {
		if r.String() == *a.Data.Reason {
			d.Reason = r
		}
	}
	return d, err
}
