package wire

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/platform/database"
)

var statuses = map[fault.Kind]int{
	fault.Internal: 500, fault.Invalid: 400, fault.Unauthenticated: 401, fault.Forbidden: 403, fault.NotFound: 404,
	fault.Conflict: 409, fault.Gone: 410, fault.Unprocessable: 422, fault.TooMany: 429, fault.Unavailable: 503,
}

// errorBody is an error as the contract spells it.
type errorBody struct {
	StatusCode int      `json:"statusCode" doc:"The HTTP status." example:"404"` //nolint:tagliatelle // the contract's
	Code       *string  `json:"code" doc:"Stable, for programs; null where only the status says it." example:"invites.not_found" maxLength:"100"`
	Message    string   `json:"message" doc:"One English sentence." example:"Invite not found" maxLength:"1000"`
	Details    []string `json:"details,omitempty" doc:"With validation and checks of imports: one sentence per problem, which begins with the field." maxItems:"100"`
	Timestamp  string   `json:"timestamp" format:"date-time" doc:"When it was answered." example:"2026-04-21T09:15:00.000Z"`
	Path       string   `json:"path" doc:"The path of the request, without its query." example:"/v1/auth/me" maxLength:"65536"`
	Method     string   `json:"method" doc:"The method of the request." example:"GET" maxLength:"100"`
	Data       any      `json:"data,omitempty" doc:"Further facts, where the operation says so."`
}

// Error is the envelope of an error.
type Error struct {
	Error errorBody `json:"error"`
}

// problem is the same error as RFC 9457 problem details.
type problem struct {
	Type      string   `json:"type" doc:"urn:canopy:error: and the code." example:"urn:canopy:error:invites.not_found" maxLength:"200"`
	Title     string   `json:"title" doc:"One English sentence." example:"Invite not found" maxLength:"1000"`
	Status    int      `json:"status" doc:"The HTTP status." example:"404"`
	Instance  string   `json:"instance" doc:"The path of the request, without its query." example:"/v1/auth/me" maxLength:"65536"`
	Code      *string  `json:"code" doc:"Stable, for programs; null where only the status says it." example:"invites.not_found" maxLength:"100"`
	Timestamp string   `json:"timestamp" format:"date-time" doc:"When it was answered." example:"2026-04-21T09:15:00.000Z"`
	Method    string   `json:"method" doc:"The method of the request." example:"GET" maxLength:"100"`
	Details   []string `json:"details,omitempty" doc:"With validation and checks of imports: one sentence per problem, which begins with the field." maxItems:"100"`
	Data      any      `json:"data,omitempty" doc:"Further facts, where the operation says so."`
}

const (
	mediaJSON    = "application/json"
	mediaProblem = "application/problem+json"
)

// failure is how an error is answered.
type failure struct {
	status int
	*fault.Error
}

var (
	errTooLarge = errors.New("wire: body too large")
	errMedia    = errors.New("wire: not application/json")
)

// fail answers an error.
func (rt *Router) fail(w http.ResponseWriter, r *http.Request, err error) {
	writeFailure(w, r, rt.Now(), rt.failure(r, err))
}

// failure turns any error into an answer. An error that is not a fault is logged
// here, once, and answered blandly.
func (rt *Router) failure(r *http.Request, err error) failure {
	switch {
	case errors.Is(err, errTooLarge):
		return failure{http.StatusRequestEntityTooLarge, &fault.Error{Message: "The request body is too large"}}
	case errors.Is(err, errMedia):
		return failure{http.StatusUnsupportedMediaType, &fault.Error{Message: "The request body must be application/json"}}
	}
	f := fault.As(err)
	requestID := seenOf(r).request.ID
	switch {
	case f == nil && r.Context().Err() != nil:
		f = fault.Down // the caller has gone; nobody reads this
	case f == nil && errors.Is(err, context.DeadlineExceeded):
		f = fault.Down
		rt.Log.ErrorContext(r.Context(), "a request took too long", "error", err, "request_id", requestID)
	case f == nil && errors.Is(err, database.ErrCrowded):
		f = fault.Busy
	case f == nil && database.Unreachable(err):
		f = fault.Down
		rt.Log.ErrorContext(r.Context(), "the store can't be reached", "error", err, "request_id", requestID)
	case f == nil:
		f = fault.Unknown
		rt.Log.ErrorContext(r.Context(), "internal error", "error", err, "request_id", requestID)
	}
	return failure{statuses[f.Kind], f}
}

func writeFailure(w http.ResponseWriter, r *http.Request, now time.Time, f failure) {
	h := w.Header()
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", "Bearer")
	}
	if f.RetryAfter > 0 {
		h.Set("Retry-After", seconds(f.RetryAfter))
	}
	if q := f.Quota; q != nil {
		h.Set("RateLimit-Limit", strconv.Itoa(q.Limit))
		h.Set("RateLimit-Remaining", strconv.Itoa(q.Remaining))
		h.Set("RateLimit-Reset", seconds(q.Reset))
	}
	media, body := mediaJSON, f.told(r.URL.EscapedPath(), r.Method, Instant(now))
	if strings.Contains(r.Header.Get("Accept"), mediaProblem) {
		media, body = mediaProblem, f.problem(r.URL.EscapedPath(), r.Method, Instant(now))
	}
	raw, err := Encode(body)
	if err != nil {
		// Only a type of our own that can't be encoded gets here.
		http.Error(w, `{"error":{"statusCode":500,"code":"server.internal"}}`, http.StatusInternalServerError)
		return
	}
	h.Set("Content-Type", media)
	w.WriteHeader(f.status)
	_, _ = w.Write(raw) //nolint:gosec // JSON, sent as such with nosniff
}

func (f failure) code() *string {
	if f.Code == "" {
		return nil
	}
	return &f.Code
}

func (f failure) told(path, method, at string) any {
	return Error{errorBody{
		StatusCode: f.status, Code: f.code(), Message: f.Message, Details: f.Details,
		Timestamp: at, Path: path, Method: method, Data: f.Data,
	}}
}

func (f failure) problem(path, method, at string) any {
	return problem{
		Type: "urn:canopy:error:" + f.Code, Title: f.Message, Status: f.status, Instance: path, Code: f.code(),
		Timestamp: at, Method: method, Details: f.Details, Data: f.Data,
	}
}

// seconds rounds up, so that a caller who waits that long does not come too early.
func seconds(d time.Duration) string {
	return strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))
}
