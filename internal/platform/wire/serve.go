package wire

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
)

// answer is what a call is told on success: a body, a stream of one, or a file.
type answer struct {
	status int
	body   []byte
	stream func(context.Context, *StreamWriter) error
	follow func(context.Context, *EventWriter) error
	file   *File
}

// workFor is how long the work on a request may take, streams excepted.
const workFor = 30 * time.Second

// longest is how long the work on a request may take that is about everything at once.
const longest = time.Hour

// time is how long the work on a request of the route may take.
func (op *operation) time() time.Duration {
	if op.Long {
		return longest
	}
	if op.Waits || op.access.revision && op.Method != http.MethodGet {
		return patience
	}
	return workFor
}

// serve runs the checks in the contract's order and then the handler.
func serve[By, In, Out any](
	ctx context.Context, c *Call, prove func(*Call) (By, error), fn func(context.Context, *Call, By, In) (Out, error),
) (answer, error) {
	if c.op.Cookie.Name != "" && !c.rt.originAllowed(c.r.Header.Get("Origin")) {
		return answer{}, ErrOriginRefused
	}
	if err := c.take(ctx, ByIP, c.Actor.Request.Network); err != nil {
		return answer{}, err
	}
	ctx, lenient, malformed := c.consistency(ctx)
	if len(c.op.access.schemes) > 0 && c.rt.Admit != nil {
		c.r = c.r.WithContext(c.rt.Admit(ctx))
	}
	by, err := prove(c)
	if err != nil {
		return answer{}, err
	}
	if err := c.allowed(ctx); err != nil {
		return answer{}, err
	}
	if at, is := any(by).(interface{ environment() string }); is {
		c.place = at.environment()
	}
	raw, leave, err := c.body(ctx)
	if err != nil {
		return answer{}, err
	}
	defer leave()
	var seen *scope.Seen
	if c.op.access.revision {
		ctx, seen = scope.Observe(ctx)
	}
	if !c.op.hasNoEnd() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, c.op.time())
		defer cancel()
	}
	run := func(ctx context.Context) (answer, error) {
		if malformed != nil {
			return answer{}, malformed
		}
		in, err := input[In](ctx, c, raw)
		if err != nil {
			return answer{}, err
		}
		out, err := fn(ctx, c, by, in)
		if err != nil {
			return answer{}, err
		}
		c.consistent(lenient)
		return c.answer(out, seen)
	}
	if !c.op.Idempotent || len(c.r.Header.Values("Idempotency-Key")) == 0 {
		return run(ctx)
	}
	return c.rt.once(ctx, c, raw, run)
}

// input reads headers, parameters and body.
func input[In any](ctx context.Context, c *Call, raw []byte) (in In, err error) {
	if err := c.query(); err != nil {
		return in, err
	}
	if in, err = decoded[In](c, raw); err != nil {
		return in, err
	}
	if err := c.path(); err != nil {
		return in, err
	}
	if err := c.ifMatch(); err != nil {
		return in, err
	}
	if l, ok := any(&in).(Limited); ok {
		if err := c.take(ctx, ByIPAndBody, c.Actor.Request.Network+" "+l.LimitedBy()); err != nil {
			return in, err
		}
	}
	if c.place != "" {
		if err := c.take(ctx, ByEnvironment, c.place); err != nil {
			return in, err
		}
	}
	if !c.session.IsZero() {
		if err := c.take(ctx, BySession, c.session.String()); err != nil {
			return in, err
		}
	}
	if c.Actor.ID.IsZero() {
		return in, nil
	}
	return in, c.take(ctx, ByPrincipal, string(c.Actor.Kind)+" "+c.Actor.ID.String())
}

// decoded is a body as the handler takes it.
func decoded[In any](c *Call, raw []byte) (in In, err error) {
	if body, is := any(&in).(rawBody); is {
		err := sound(raw)
		body.take(raw)
		return in, err
	}
	if _, none := any(in).(None); none && len(raw) == 0 {
		return in, nil
	}
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	if problem := tooMuch(raw); problem != "" {
		return in, fault.Validation.WithDetails(problem)
	}
	return Decode[In](c.rt.bodies, raw)
}

func (c *Call) answer(out any, seen *scope.Seen) (answer, error) {
	if s, is := out.(stream); is {
		return answer{status: c.op.Status, stream: s.write()}, nil
	}
	if e, is := out.(following); is {
		return answer{status: c.op.Status, follow: e.follow()}, nil
	}
	if f, is := out.(File); is {
		return answer{status: c.op.Status, file: &f}, nil
	}
	c.revised(seen)
	switch {
	case c.op.ETag && c.w.Header().Get("ETag") == "":
		panic("wire: the route " + c.op.ID + " says that it answers an ETag, and does not")
	case c.op.IfMatch && !c.asked:
		panic("wire: the route " + c.op.ID + " says that it honours If-Match, and never looks")
	}
	a := answer{status: c.op.Status}
	if o, is := out.(interface{ HTTPStatus() int }); is {
		a.status = o.HTTPStatus()
	}
	var err error
	a.body, err = Encode(out)
	return a, err
}

// reply writes what run gives.
func (rt *Router) reply(ctx context.Context, c *Call, run func() (answer, error)) {
	a, err := run()
	if err != nil {
		rt.fail(c.w, c.r, err)
		return
	}
	h := c.w.Header()
	if c.op.CacheFor > 0 {
		h.Set("Cache-Control", "public, max-age="+strconv.Itoa(int(c.op.CacheFor/time.Second)))
	}
	if a.status == http.StatusNoContent {
		c.w.WriteHeader(a.status)
		return
	}
	if a.stream != nil {
		rt.stream(ctx, c, a)
		return
	}
	if a.follow != nil {
		rt.follow(ctx, c, a.follow)
		return
	}
	if a.file != nil {
		rt.file(ctx, c, a.file)
		return
	}
	h.Set("Content-Type", "application/json")
	c.w.WriteHeader(a.status)
	_, _ = c.w.Write(a.body)
}

func (rt *Router) originAllowed(origin string) bool {
	return origin == "" || origin == rt.PublicOrigin || slices.Contains(rt.Origins, origin)
}
