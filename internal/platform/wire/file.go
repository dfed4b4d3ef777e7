package wire

import (
	"context"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
)

// File is the answer of a handler that hands out a file, as it is, to be saved. The route lists
// the media types that it may have.
type File struct {
	Name  string // to be saved under: letters, digits, dots and dashes
	Media string // one of the route's, maybe with parameters
	Size  int64  // in bytes
	// Write writes the file, which takes as long as the caller reads. After an error the
	// connection is cut: what was sent is not the whole.
	Write func(ctx context.Context, w io.Writer) error
}

// mostFiles is how many files a process hands out at once.
const mostFiles = 64

// isFile reports whether the route's answer is a File.
func (op *operation) isFile() bool { return op.out == reflect.TypeFor[File]() }

// file sends a file.
func (rt *Router) file(ctx context.Context, c *Call, f *File) {
	leave, err := rt.files.enter(c.Actor.Request.Network)
	if err != nil {
		rt.fail(c.w, c.r, err)
		return
	}
	defer leave()
	// The request has been read, and the connection is watched for its end alone. A writer
	// without deadlines is a test's.
	_ = http.NewResponseController(c.w).SetReadDeadline(time.Time{})
	h := c.w.Header()
	h.Set("Content-Type", f.Media)
	h.Set("Content-Length", strconv.FormatInt(f.Size, 10))
	h.Set("Content-Disposition", `attachment; filename="`+f.Name+`"`)
	c.w.WriteHeader(c.op.Status)
	if c.r.Method == http.MethodHead {
		return
	}
	if err := f.Write(ctx, c.w); err != nil {
		if ctx.Err() == nil {
			rt.Log.WarnContext(ctx, "a file was cut", "error", err, "request_id", c.Actor.Request.ID)
		}
		panic(http.ErrAbortHandler)
	}
}

// busy are the faults of a route that few may call at once.
func (op *operation) busy() []*fault.Error {
	if op.Waits || op.Long || op.isFile() || op.Body > smallBody && hasBody(op.Method) {
		return []*fault.Error{fault.Busy}
	}
	return nil
}
