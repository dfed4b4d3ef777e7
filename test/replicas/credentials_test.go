package replicas_test

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"canopy.dev/canopy/internal/access/decide/oracle"
)

const (
	someKeyValues = 6
	someSessions  = 6
)

// credentials are what clients make and take away beside their work.
type credentials struct {
	apiKeys [someKeyValues]passingKey
	seats   [someSessions]seat
	ring    ring
	// every is held for reading by who opens or ends one session, for writing by who ends all.
	every sync.RWMutex
}

// passingKey is an API key that clients change, one at a time.
type passingKey struct {
	mu    sync.Mutex
	id    string
	value *credential
	next  string // what is done to it next; what was not answered is done again
}

// seat is room for a session.
type seat struct {
	mu    sync.Mutex
	token *credential // nil for none
}

// changeCredentials makes a credential or takes some away; false where others just do.
func (x *run) changeCredentials(r *rand.Rand) bool {
	switch n := r.IntN(20); {
	case n < 12:
		k := &x.apiKeys[r.IntN(len(x.apiKeys))]
		if !k.mu.TryLock() {
			return false
		}
		defer k.mu.Unlock()
		x.changeKey(r, k)
	case n < 19:
		s := &x.seats[r.IntN(len(x.seats))]
		if !x.every.TryRLock() {
			return false
		}
		defer x.every.RUnlock()
		if !s.mu.TryLock() {
			return false
		}
		defer s.mu.Unlock()
		x.changeSeat(r, s)
	default:
		if !x.every.TryLock() {
			return false
		}
		defer x.every.Unlock()
		x.endSessions(r)
	}
	return true
}

// changeKey does what is next to a key.
func (x *run) changeKey(r *rand.Rand, k *passingKey) {
	const draft = `{"name":"Passing","access_mode":"full_access"}`
	one, began := "/api-keys/"+k.id, time.Now()
	switch k.next {
	case "delete":
		k.value.dying(began)
		if a := x.keyWrite("key deleted", http.MethodDelete, one, ""); a.wrote() || a.status == http.StatusNotFound {
			x.taken(r, k.value)
			k.next = "make"
		}
	case "disable":
		k.value.dying(began)
		if x.keyWrite("key disabled", http.MethodPatch, one, `{"is_active":false}`).wrote() {
			x.taken(r, k.value)
			k.next = "enable"
		}
	case "enable":
		k.value.asked(began)
		if x.keyWrite("key enabled", http.MethodPatch, one, `{"is_active":true}`).wrote() {
			x.given(r, k.value)
			k.next = pick(r, []string{"delete", "disable", "rotate"})
		}
	case "rotate":
		k.value.dying(began)
		if a := x.keyWrite("key rotated", http.MethodPost, one+"/rotate-secret", ""); a.wrote() {
			x.taken(r, k.value)
			x.newValue(r, k, a, began)
		}
	default:
		if a := x.keyWrite("key made", http.MethodPost, "/api-keys", draft); a.wrote() {
			k.id = a.id()
			x.newValue(r, k, a, began)
		}
	}
}

// keyWrite changes a key, which is nothing to decisions.
func (x *run) keyWrite(what, method, path, body string) answer {
	a, _, ended := x.call(x.next(), call{by: x.main, method: method, path: x.main.place + path, body: body})
	x.wrote(what, a, ended, means(func(*oracle.World) {}))
	return a
}

// newValue keeps the value that an answer shows.
func (x *run) newValue(r *rand.Rand, k *passingKey, a answer, asked time.Time) {
	k.value = byKey(a.made().Data.Key)
	k.value.asked(asked)
	x.given(r, k.value)
	k.next = pick(r, []string{"delete", "disable", "rotate"})
}

// changeSeat signs the admin in, or out where that is done.
func (x *run) changeSeat(r *rand.Rand, s *seat) {
	began := time.Now()
	if s.token == nil {
		a, _, _ := x.call(x.next(), call{by: anybody, method: http.MethodPost, path: loginPath, body: signIn(admin)})
		if a.wrote() {
			s.token = byToken(a.made().Data.AccessToken, pick(r, []string{publicPlace, portalPlace}))
			s.token.asked(began)
			x.given(r, s.token)
		}
		return
	}
	s.token.dying(began)
	a, _, _ := x.call(x.next(), call{by: s.token, method: http.MethodPost, path: logoutPath})
	if a.wrote() || a.status == http.StatusUnauthorized {
		x.taken(r, s.token)
		s.token = nil
	}
}

// endSessions ends all sessions of the admin, who either wants it or is kept out for a moment.
func (x *run) endSessions(r *rand.Rand) {
	var ending []*credential
	began := time.Now()
	for i := range x.seats {
		if token := x.seats[i].token; token != nil {
			token.dying(began)
			ending = append(ending, token)
		}
	}
	c := call{by: x.owner, method: http.MethodPost, path: accountPlace + "/users/" + x.adminID + "/deactivate"}
	if len(ending) > 0 && r.IntN(2) == 0 {
		c = call{by: pick(r, ending), method: http.MethodPost, path: logoutPath, body: `{"revoke_all":true}`}
	}
	a, _, _ := x.call(x.next(), c)
	if a.wrote() {
		for i := range x.seats {
			x.seats[i].token = nil
		}
		x.taken(r, ending...)
	}
	if c.by == x.owner {
		x.insist(x.t, x.owner, http.MethodPost, accountPlace+"/users/"+x.adminID+"/activate", "")
	}
}

// given says that a credential is good from now on, and tries it everywhere.
func (x *run) given(r *rand.Rand, c *credential) {
	c.born(time.Now())
	x.heard.count("a credential given")
	x.ring.put(c)
	x.everywhere(r, c)
}

// taken says that credentials are good no more, and tries them everywhere.
func (x *run) taken(r *rand.Rand, list ...*credential) {
	at := time.Now()
	for _, c := range list {
		c.dead(at)
		x.heard.count("a credential taken")
	}
	for _, c := range list {
		x.everywhere(r, c)
	}
}

func (x *run) everywhere(r *rand.Rand, c *credential) {
	for process := range x.urls {
		x.askAt(r, process, c)
	}
}

// someone is the credential of a call: the one that stays, or one that passes.
func (x *run) someone(r *rand.Rand) *credential {
	if c := x.ring.some(r); c != nil && r.IntN(4) == 0 {
		return c
	}
	return x.main
}
