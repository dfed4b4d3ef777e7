package wire

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/platform/database"
)

// Data is the envelope of one object.
type Data[T any] struct {
	Data T `json:"data"`
}

// Items is the envelope of a list that is not paged.
type Items[T any] struct {
	Items []T `json:"items"`
}

// Paged is the envelope of one page of a list.
type Paged[T any] struct {
	Items      []T       `json:"items"`
	Pagination page.Info `json:"pagination"`
}

// Message is the answer of calls that have nothing else to say.
type Message struct {
	Message string `json:"message"`
}

// Say wraps a sentence.
func Say(sentence string) Data[Message] { return Data[Message]{Message{sentence}} }

// codec writes every instant the one way the contract knows: UTC, milliseconds.
var codec = json.JoinOptions(json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, t time.Time) error {
	return e.WriteToken(jsontext.String(Instant(t)))
})), json.Deterministic(true))

// Instant is t as answers spell it.
func Instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// Encode is v as the body of an answer.
func Encode(v any) ([]byte, error) { return json.Marshal(v, codec) }

var statuses = map[fault.Kind]int{
	fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
	fault.Conflict: 409, fault.Gone: 410, fault.Unprocessable: 422, fault.TooMany: 429, fault.Unavailable: 503,
}

type errorBody struct {
	StatusCode int      `json:"statusCode"`
	Code       *string  `json:"code"`
	Message    string   `json:"message"`
	Details    []string `json:"details,omitempty"`
	Timestamp  string   `json:"timestamp"`
	Path       string   `json:"path"`
	Method     string   `json:"method"`
	Data       any      `json:"data,omitempty"`
}

// problem is the same error as RFC 9457 problem details.
type problem struct {
	Type      string   `json:"type"`
	Title     string   `json:"title"`
	Status    int      `json:"status"`
	Instance  string   `json:"instance"`
	Code      *string  `json:"code"`
	Timestamp string   `json:"timestamp"`
	Method    string   `json:"method"`
	Details   []string `json:"details,omitempty"`
	Data      any      `json:"data,omitempty"`
}

// failure is how an error is answered.
type failure struct {
	status int
	*fault.Error
}

// judge turns any error into an answer. What is no fault is logged here, once,
// and answered blandly.
func judge(r *http.Request, log *slog.Logger, err error) failure {
	f := fault.As(err)
	switch {
	case f == nil && r.Context().Err() != nil:
		f = fault.Down // the caller has gone; nobody reads this
	case f == nil && database.Unreachable(err):
		f = fault.Down
		log.ErrorContext(r.Context(), "the store can't be reached", "error", err, "request_id", requestID(r))
	case f == nil:
		f = fault.Unknown
		log.ErrorContext(r.Context(), "internal error", "error", err, "request_id", requestID(r))
	}
	return failure{statuses[f.Kind], f}
}

func writeFailure(w http.ResponseWriter, r *http.Request, now time.Time, f failure) {
	h := w.Header()
	if f.RetryAfter > 0 {
		h.Set("Retry-After", seconds(f.RetryAfter))
	}
	if q := f.Quota; q != nil {
		h.Set("RateLimit-Limit", strconv.Itoa(q.Limit))
		h.Set("RateLimit-Remaining", strconv.Itoa(q.Remaining))
		h.Set("RateLimit-Reset", seconds(q.Reset))
	}
	var code *string
	if f.Code != "" {
		code = &f.Code
	}
	path, at := r.URL.EscapedPath(), Instant(now)
	if strings.Contains(r.Header.Get("Accept"), "application/problem+json") {
		write(w, f.status, "application/problem+json", problem{"urn:canopy:error:" + f.Code, f.Message, f.status, path, code, at, r.Method, f.Details, f.Data})
		return
	}
	write(w, f.status, "application/json", struct {
		Error errorBody `json:"error"`
	}{errorBody{f.status, code, f.Message, f.Details, at, path, r.Method, f.Data}})
}

// seconds rounds up, so that who waits that long does not come too early.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}

func write(w http.ResponseWriter, status int, contentType string, v any) {
	body, err := Encode(v)
	if err != nil {
		// Only a type of our own that can't be encoded gets here.
		http.Error(w, `{"error":{"statusCode":500,"code":"server.internal"}}`, http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

var errTooLarge = errors.New("wire: body too large")
