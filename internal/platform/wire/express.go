package wire

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/ratelimit"
)

// Express is a call on the short way: the form in which a product asks on each of its own
// requests. It is a POST with an API key and a small JSON body, and with nothing that changes
// what is asked or how it is answered. It belongs to one goroutine, until its handler returns.
//
//	request ─► of that form? ─yes─► handler ─answered─► 200
//	               │no                  │left
//	               └────────────────────┴──────────────► the route's ordinary way
//
// The ordinary way is the one that judges: whatever is not plainly good is left to it, before
// anything was written, so the short way has no refusals of its own. A test holds that both
// answer alike.
type Express struct {
	// Key is the value of the API key, unproven.
	Key string
	// Out takes the body of the answer.
	Out []byte
	// Revision is that of the Environment, for the answer.
	Revision uint64

	rt *Router
	r  *http.Request
	in []byte
	// failed is what the read of the body ended with. Whoever reads on is told no more of it.
	failed error
	rid    string
	began  time.Time
	leave  func() // gives the place of a large body back; nil without one
}

// ExpressHandler answers a call, or leaves it (false) to the route's ordinary way.
type ExpressHandler func(ctx context.Context, x *Express) (answered bool)

// express is a registered short way.
type express struct {
	pattern string
	most    int // bytes of a body
	handle  ExpressHandler
}

// Express adds the short way of a POST route without parameters, for bodies of at most so
// many bytes. Where the limit is in force nothing goes that way.
func (rt *Router) Express(path string, limit ratelimit.Name, most int, handle ExpressHandler) {
	if rt.Limited != nil && rt.Limited(limit) {
		return
	}
	if rt.express == nil {
		rt.express = map[string]*express{}
	}
	rt.express[path] = &express{http.MethodPost + " " + path, most, handle}
}

// Body reads the body whole; false where it does not come, or is large and the caller, given by
// id, has too many of those under way already. It is UTF-8 only as far as the caller says so.
func (x *Express) Body(caller id.ID) (string, bool) {
	n := int(x.r.ContentLength)
	if n > smallBody {
		var is bool
		if x.leave, is = x.rt.hurried.tryReceive(caller.String()); !is {
			return "", false
		}
	}
	if n > cap(x.in) {
		x.in = make([]byte, 0, n+n/2)
	}
	read, err := io.ReadFull(x.r.Body, x.in[:n])
	x.in = x.in[:read]
	if x.failed = err; err != nil {
		return "", false
	}
	return string(x.in), true
}

// RequestID is the id of the call.
func (x *Express) RequestID() string { return x.rid }

var expresses = sync.Pool{New: func() any { return new(Express) }}

// largestKept is how large a buffer may be that is kept for other calls.
const largestKept = 1 << 20

// hurry answers a call on the short way; false where it is to go the ordinary one.
func (rt *Router) hurry(e *express, w http.ResponseWriter, r *http.Request) (answered bool) {
	key, is := expressKey(r)
	if !is || r.ContentLength > int64(e.most) || !rt.hostAllowed(r) {
		return false
	}
	x, _ := expresses.Get().(*Express)
	x.rt, x.Key, x.began, x.r, x.rid = rt, key, rt.Now(), r, r.Header.Get("X-Request-Id")
	if _, err := id.Parse[id.ID](x.rid); err != nil {
		x.rid = id.New[id.ID](x.began).String()
	}
	defer func() { //nolint:contextcheck // that of the request
		if x.leave != nil {
			x.leave()
		}
		if p := recover(); p != nil { // nothing is written yet
			answered = true
			known := &seen{request: principal.Request{ID: x.rid}}
			rt.panicked(&recorder{ResponseWriter: w}, r.WithContext(known.in(r.Context())), p)
			return
		}
		x.free()
	}()
	if answered = e.handle(r.Context(), x); !answered {
		x.giveBack()
		return false
	}
	x.write(w)
	if rt.Observe != nil {
		rt.Observe(e.pattern, http.StatusOK, rt.Now().Sub(x.began))
	}
	return true
}

// giveBack gives the request back as it came, its id included, so that the ordinary way reads what
// was read.
func (x *Express) giveBack() {
	if len(x.in) > 0 || x.failed != nil {
		body := x.r.Body
		rest := io.Reader(body)
		if x.failed != nil {
			rest = broken{x.failed}
		}
		x.r.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(bytes.Clone(x.in)), rest), body}
	}
	x.r.Header.Set("X-Request-Id", x.rid)
}

// broken is the rest of a body that broke off.
type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

func (x *Express) free() {
	if cap(x.in) > largestKept || cap(x.Out) > largestKept {
		return
	}
	*x = Express{in: x.in[:0], Out: x.Out[:0]}
	expresses.Put(x)
}

// expressKey is the API key of a request that has the form of the short way.
func expressKey(r *http.Request) (string, bool) {
	h := r.Header
	keys, types := h["X-Api-Key"], h["Content-Type"]
	// With a RawPath the path was written otherwise, and may lead elsewhere: a%2Fb is one segment.
	plain := r.Method == http.MethodPost && r.ContentLength > 0 && r.URL.RawQuery == "" && r.URL.RawPath == "" &&
		len(keys) == 1 && len(types) == 1 && types[0] == mediaJSON
	if !plain {
		return "", false
	}
	for _, name := range otherwise {
		if len(h[name]) > 0 {
			return "", false
		}
	}
	return keys[0], true
}

// otherwise are the headers that change what is asked, or how it is answered.
var otherwise = [...]string{
	"Authorization", "Content-Encoding", "Expect", "Origin", environmentHeader, consistencyHeader,
}

// The headers that all answers of the short way share. Nothing changes a value in its place.
var (
	jsonValue    = []string{mediaJSON}
	noStoreValue = []string{"no-store"}
	nosniffValue = []string{"nosniff"}
	strictValue  = []string{strict}
)

// write answers 200.
func (x *Express) write(w http.ResponseWriter) {
	h := w.Header()
	values := [...]string{x.rid, strconv.FormatUint(x.Revision, 10)}
	h["X-Request-Id"], h["Canopy-Revision"] = values[:1:1], values[1:]
	h["Content-Type"], h["Cache-Control"], h["X-Content-Type-Options"] = jsonValue, noStoreValue, nosniffValue
	h[consistencyHeader] = strictValue
	if len(x.Out) > 2048 {
		h["Content-Length"] = []string{strconv.Itoa(len(x.Out))}
	}
	rec := recorder{ResponseWriter: w}
	_, _ = rec.Write(x.Out)
}
