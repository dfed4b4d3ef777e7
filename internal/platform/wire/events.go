package wire

import (
	"bytes"
	"context"
	"net/http"
	"reflect"
	"time"
)

// Events is the answer of a handler that tells what happens for as long as the caller listens:
// server-sent events (text/event-stream). T is what the document says of the data of one.
type Events[T any] struct {
	// Follow writes until there is nothing more to tell or nobody who listens: ctx ends with the
	// connection. Its error is answered like any other as long as nothing was written.
	Follow func(ctx context.Context, w *EventWriter) error
}

func (e Events[T]) follow() func(context.Context, *EventWriter) error { return e.Follow }

func (Events[T]) documentedEvent() reflect.Type { return reflect.TypeFor[T]() }

// following is any Events.
type following interface {
	follow() func(context.Context, *EventWriter) error
	documentedEvent() reflect.Type
}

var anyEvents = reflect.TypeFor[following]()

const mediaEvents = "text/event-stream"

// isEvents reports whether the route's answer is an Events.
func (op *operation) isEvents() bool { return op.out.Implements(anyEvents) }

// hasNoEnd reports whether nobody knows how long the route's answer gets.
func (op *operation) hasNoEnd() bool { return op.isStream() || op.isEvents() || op.isFile() }

// EventWriter sends events, each at once. It belongs to one goroutine.
type EventWriter struct {
	c     *Call
	begun bool
}

// Event sends one; data is JSON in one line.
func (w *EventWriter) Event(id, name string, data []byte) error {
	var b bytes.Buffer
	if id != "" {
		b.WriteString("id: " + id + "\n")
	}
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return w.send(b.Bytes())
}

// Beat sends a comment, which shows either side that the other is there.
func (w *EventWriter) Beat() error { return w.send([]byte(":\n\n")) }

func (w *EventWriter) send(b []byte) error {
	control := http.NewResponseController(w.c.w)
	if !w.begun {
		w.begun = true
		// The request has been read, and the connection is watched for its end alone. A writer
		// without deadlines is a test's.
		_ = control.SetReadDeadline(time.Time{})
		h := w.c.w.Header()
		h.Set("Content-Type", mediaEvents)
		h.Set("X-Accel-Buffering", "no") // for proxies that would keep some back
		w.c.w.WriteHeader(w.c.op.Status)
	}
	if _, err := w.c.w.Write(b); err != nil {
		return err
	}
	return control.Flush()
}

// Listening is nil while the credential of the call is good: it is looked at anew.
func (c *Call) Listening(ctx context.Context) error {
	if c.rt.Admit != nil {
		ctx = c.rt.Admit(ctx)
	}
	again := &Call{Actor: c.Actor, rt: c.rt, op: c.op, r: c.r.WithContext(ctx), seen: &seen{}}
	if _, err := c.rt.authenticate(again); err != nil { //nolint:contextcheck // its request has it
		return err
	}
	return again.allowed(ctx)
}

// LastEventID is what the caller has got last of a stream that broke, "" when it begins anew.
func (c *Call) LastEventID() string { return c.r.Header.Get("Last-Event-Id") }

// follow runs a handler's Follow.
func (rt *Router) follow(ctx context.Context, c *Call, fn func(context.Context, *EventWriter) error) {
	w := &EventWriter{c: c}
	err := fn(ctx, w)
	switch {
	case err == nil:
	case !w.begun:
		rt.fail(c.w, c.r, err)
	case ctx.Err() == nil:
		rt.Log.WarnContext(ctx, "a stream of events was cut", "error", err, "request_id", c.Actor.Request.ID)
		panic(http.ErrAbortHandler)
	}
}
