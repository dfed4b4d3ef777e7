package wire

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
)

// Raw is the body of a route that reads it by itself, since what it would be made into may
// be too large: one JSON object, whose form alone was judged. It may come packed by gzip. T
// is what the document says of it.
type Raw[T any] struct{ JSON []byte }

func (r *Raw[T]) take(raw []byte) { r.JSON = raw }

func (*Raw[T]) described() reflect.Type { return reflect.TypeFor[T]() }

// rawBody is any Raw.
type rawBody interface {
	take(raw []byte)
	described() reflect.Type
}

// rawOf is what a body's type is a Raw of, nil for any other type.
func rawOf(in reflect.Type) reflect.Type {
	if body, is := reflect.TypeAssert[rawBody](reflect.New(in)); is {
		return body.described()
	}
	return nil
}

const (
	// rawAtOnce is how many such bodies a process holds, mineRaw how many of one caller.
	// Others wait.
	rawAtOnce = 4
	mineRaw   = 2
	// rawTime is how long one may take to come in.
	rawTime = 10 * time.Minute
)

// rawBody reads a body that may be very large.
func (c *Call) rawBody(ctx context.Context) (raw []byte, leave func(), err error) {
	mine, err := c.rt.raw.receive(ctx, c.Actor.ID.String())
	if err != nil {
		return nil, nil, err
	}
	place, err := c.rt.raw.work(ctx)
	if err != nil {
		mine()
		return nil, nil, err
	}
	leave = func() { place(); mine() }
	// A server behind another one, or in a test, may not know deadlines.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Now().Add(rawTime))
	if raw, err = readRaw(c.w, c.r, int64(c.op.Body)); err != nil {
		leave()
		return nil, nil, err
	}
	return raw, leave, nil
}

// readRaw takes the whole body, unpacked, and no more than the limit of it.
func readRaw(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	packed := r.Header.Get("Content-Encoding")
	zipped := strings.EqualFold(packed, "gzip") || strings.EqualFold(packed, "x-gzip")
	if !isJSON(r) || packed != "" && !zipped && !strings.EqualFold(packed, "identity") {
		return nil, errMedia
	}
	var from io.Reader = http.MaxBytesReader(w, r.Body, limit)
	size := min(max(r.ContentLength, 0), limit)
	if zipped {
		unpacked, err := gzip.NewReader(from)
		if err != nil {
			return nil, unread(err)
		}
		from = unpacked
	}
	var buf bytes.Buffer
	buf.Grow(int(size) + bytes.MinRead)
	_, err := buf.ReadFrom(io.LimitReader(from, limit+1))
	switch {
	case err != nil:
		return nil, unread(err)
	case int64(buf.Len()) > limit:
		return nil, errTooLarge
	}
	return buf.Bytes(), nil
}

// unread is a body that ended before its end.
func unread(err error) error {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return errTooLarge
	}
	return fault.Validation.WithDetails("body could not be read").WithCause(err)
}

// sound judges the form of a body that the handler reads by itself: it is one JSON object in
// UTF-8, no name comes twice in one, nothing is too deep and no text too long.
func sound(raw []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(raw))
	if len(raw) > 0 && dec.PeekKind() != '{' && dec.PeekKind() != jsontext.KindInvalid {
		return fault.Validation.WithDetails("body must be an object")
	}
	for from := int64(0); ; from = dec.InputOffset() {
		token, err := dec.ReadToken()
		switch {
		case errors.Is(err, io.EOF) && from > 0:
			return nil
		case err != nil:
			return fault.Validation.WithDetails(syntax(err))
		case dec.StackDepth() > maxDepth:
			return fault.Validation.WithDetails(fmt.Sprintf("body must not be deeper than %d levels", maxDepth))
		case token.Kind() == '"' && dec.InputOffset()-from > maxText:
			return fault.Validation.WithDetails(fmt.Sprintf("body must not hold a text of more than %d KiB", maxText>>10))
		case dec.StackDepth() == 0 && len(bytes.TrimSpace(raw[dec.InputOffset():])) > 0:
			return fault.Validation.WithDetails("body must be one object")
		}
	}
}
