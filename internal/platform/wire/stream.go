package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
)

// Streamed is the answer of a handler whose body may be too large to be held in memory. It
// is JSON; T is what the document says of it.
type Streamed[T any] struct {
	// Write writes the body. Nothing is sent before it has returned or written a megabyte,
	// so its error is answered like any other until then; after that the connection is
	// cut, so that no client takes the part for the whole.
	Write func(ctx context.Context, w *StreamWriter) error
}

func (s Streamed[T]) write() func(context.Context, *StreamWriter) error { return s.Write }

func (Streamed[T]) documented() reflect.Type { return reflect.TypeFor[T]() }

// stream is any Streamed.
type stream interface {
	write() func(context.Context, *StreamWriter) error
	documented() reflect.Type
}

var anyStream = reflect.TypeFor[stream]()

const (
	streamAfter = 1 << 20 // bytes: an answer that is longer is a stream
	gzipAfter   = 1 << 10 // bytes: a shorter answer is sent as it is
	mostStreams = 8       // of one process
	mineStreams = 4       // of one caller
	vary        = "Authorization, X-API-Key, X-Canopy-Environment, Accept-Encoding"
)

// StreamWriter takes the body of a Streamed. It belongs to one goroutine.
type StreamWriter struct {
	c         *Call
	status    int
	buf       bytes.Buffer // what is not sent yet
	out       io.Writer    // nil: nothing was sent
	packed    *gzip.Writer
	leave     func() // gives the place among the streams back
	seen      *scope.Seen
	unchanged bool
}

// Validate sets the answer's validator, an opaque text that changes whenever the body
// would, and reports whether the caller has that body already (If-None-Match): then there
// is nothing to write. The route must have a Validator.
func (w *StreamWriter) Validate(tag string) (unchanged bool) {
	if !w.c.op.Validator {
		panic("wire: the route " + w.c.op.ID + " does not say that it has a validator")
	}
	w.c.w.Header().Set("ETag", `"`+tag+`"`)
	w.unchanged = matches(w.c.r.Header.Values("If-None-Match"), `"`+tag+`"`)
	return w.unchanged
}

// matches compares weakly (RFC 9110, section 13.1.2).
func matches(given []string, tag string) bool {
	for _, list := range given {
		for one := range strings.SplitSeq(list, ",") {
			one = strings.TrimSpace(one)
			if one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

// Write implements io.Writer.
func (w *StreamWriter) Write(p []byte) (int, error) {
	if w.out != nil {
		return w.out.Write(p)
	}
	n, _ := w.buf.Write(p)
	if w.buf.Len() <= streamAfter {
		return n, nil
	}
	leave, err := w.c.rt.streams.enter(w.c.Actor.ID.String())
	if err != nil {
		return 0, err
	}
	w.leave = leave
	return n, w.start()
}

// start sends the head and what was kept back.
func (w *StreamWriter) start() error {
	c := w.c
	c.revised(w.seen)
	h := c.w.Header()
	h.Set("Content-Type", mediaJSON)
	if !c.op.Validator { // else it says so already
		h.Add("Vary", "Accept-Encoding")
	}
	w.out = c.w
	switch {
	case w.buf.Len() > gzipAfter && takesGzip(c.r):
		h.Set("Content-Encoding", "gzip")
		w.packed, _ = gzip.NewWriterLevel(c.w, gzip.BestSpeed)
		w.out = w.packed
	case w.leave == nil:
		h.Set("Content-Length", strconv.Itoa(w.buf.Len()))
	}
	c.w.WriteHeader(w.status)
	_, err := w.out.Write(w.buf.Bytes())
	w.buf = bytes.Buffer{}
	return err
}

// takesGzip reports whether the caller understands gzip (RFC 9110, section 12.5.3).
func takesGzip(r *http.Request) bool {
	for _, list := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(list, ",") {
			coding, weight, _ := strings.Cut(strings.TrimSpace(one), ";")
			coding = strings.ToLower(strings.TrimSpace(coding))
			if coding != "gzip" && coding != "x-gzip" && coding != "*" {
				continue
			}
			q := strings.TrimPrefix(strings.ReplaceAll(weight, " ", ""), "q=")
			return q == "" || strings.Trim(q, "0.") != ""
		}
	}
	return false
}

// stream runs a handler's Write, and answers.
func (rt *Router) stream(ctx context.Context, c *Call, a answer) {
	w := &StreamWriter{c: c, status: a.status}
	if c.op.access.revision {
		ctx, w.seen = scope.Observe(ctx)
	}
	defer func() {
		if w.leave != nil {
			w.leave()
		}
	}()
	if c.op.Validator {
		h := c.w.Header()
		h.Set("Cache-Control", "private, no-cache")
		h.Set("Vary", vary)
	}
	err := a.stream(ctx, w)
	switch {
	case err != nil && w.out == nil:
		h := c.w.Header()
		for _, name := range []string{"ETag", "Vary"} {
			h.Del(name)
		}
		h.Set("Cache-Control", "no-store")
		rt.fail(c.w, c.r, err)
		return
	case err == nil && c.op.Validator && c.w.Header().Get("ETag") == "":
		panic("wire: the route " + c.op.ID + " says that it has a validator, and sets none")
	case err == nil && w.unchanged:
		c.revised(w.seen)
		c.w.WriteHeader(http.StatusNotModified)
		return
	case err == nil && w.out == nil:
		err = w.start()
	}
	if err == nil && w.packed != nil {
		err = w.packed.Close()
	}
	if err != nil {
		rt.Log.WarnContext(ctx, "a stream was cut", "error", err, "request_id", c.Actor.Request.ID)
		panic(http.ErrAbortHandler)
	}
}

// streams counts the streams that are under way.
type streams struct {
	most int // fewer where the store has few connections

	mu   sync.Mutex
	all  int
	mine map[string]int
}

// enter takes a place among the streams; server.busy when there is none.
func (s *streams) enter(caller string) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.mine[caller] >= min(mineStreams, max(1, s.most/2)) {
		return nil, fault.Busy
	}
	if s.mine == nil {
		s.mine = map[string]int{}
	}
	s.all++
	s.mine[caller]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.mine[caller]--; s.mine[caller] == 0 {
			delete(s.mine, caller)
		}
	}, nil
}

// revised tells the revision of the Environment at which the call was done.
func (c *Call) revised(seen *scope.Seen) {
	if seen == nil {
		return
	}
	n := seen.Revision()
	if n == 0 {
		panic("wire: the route " + c.op.ID + " was answered at no revision of its Environment")
	}
	c.w.Header().Set("Canopy-Revision", strconv.FormatUint(n, 10))
}

// isStream reports whether the route's answer is a Streamed.
func (op *operation) isStream() bool { return op.out.Implements(anyStream) }
