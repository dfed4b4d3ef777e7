package accessapi_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// ordinary is a header that changes nothing, and sends a call the ordinary way.
var ordinary = []string{"Canopy-Consistency", "strict"}

// TestShortWayAnswersAlike: with the same bytes, status and headers as the ordinary way,
// whatever is asked.
func TestShortWayAnswersAlike(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newStaffed(s.Provoker())
		w.Must(201, "POST", w.at+"/permissions", permissions("lease.read"))
		for _, role := range []string{w.reader, w.Role(w.at, `Leser "Süd" <&> \ / 日本`), w.Role(w.at, "Übrige")} {
			w.Must(200, "PUT", w.at+"/roles/"+role+"/permissions", m{"permission_keys": []string{"lease.read"}})
			if role != w.reader {
				w.Assign(w.at, w.ann, w.north, role)
			}
		}
		key := s.Client()
		value := w.Key(w.at, "permissions.evaluate")
		wrong := w.Key(w.at, "identity.view")
		one := func(more string) string {
			return `{"identity_id":"` + w.ann + `","permission":"lease.read",` + more + `}`
		}
		here := one(`"scope":"node","node_id":"` + w.office + `"`)
		anywhere := one(`"scope":"app_wide"`)
		single := []string{
			here, anywhere, one(`"scope":"node","node_id":"` + w.root + `"`), " \t\r\n" + here + "\n",
			strings.ReplaceAll(here, `":"`, `" : "`),
			`{"scope":"app_wide","permission":"lease.write","identity_id":"x"}`, one(`"scope":"app_wide","node_id":null`),
			one(`"scope":"node"`), one(`"scope":"app_wide","node_id":"` + w.root + `"`), one(`"scope":"any"`),
			one(`"scope":"app_wide","scope":"app_wide"`), one(`"scope":"app_wide","more":"x"`), one(`"scope":"app_wide",`),
			one(`"scope":"app_wide"`) + `x`, here + here, `[]`, `""`, `{`, `{}`, `null`, ` `,
			one(`"scope":"node","node_id":""`),
			`{"identity_id":"` + strings.Repeat("a", 255) + `","permission":"x.y","scope":"app_wide"}`,
			`{"identity_id":"` + strings.Repeat("a", 256) + `","permission":"x.y","scope":"app_wide"}`,
			`{"identity_id":"ü","permission":"<a&b>\u2028","scope":"app_wide"}`,
			`{"identity_id":"a` + "\x7f" + `","permission":"'/<>&","scope":"app_wide"}`,
			"{\"identity_id\":\"a\xff\",\"permission\":\"x.y\",\"scope\":\"app_wide\"}",
			`{"identity_id":"a","permission":"x` + "\x00" + `","scope":"app_wide"}`, one(`"scope":1`),
			`{"identity_id":"a","permission":"` + strings.Repeat("a", 5000) + `","scope":"app_wide"}`,
		}
		many := []string{
			`{"checks":[` + here + `,` + anywhere + `]}`, `{ "checks" : [ ` + anywhere + ` ] }`,
			`{"checks":[]}`, `{"checks":{}}`,
			`{"checks":[` + here + `,]}`, `{"checks":[` + here + `],"checks":[]}`, `{"checks":[` + here + `]}]`,
			`{"checks":[{}]}`,
			`{"checks":[` + strings.Repeat(anywhere+`,`, 999) + here + `]}`,
			`{"checks":[` + strings.Repeat(anywhere+`,`, 1000) + here + `]}`, here, `{"checks":` + here + `}`,
		}
		alike := func(path, body, value string, headers ...string) {
			headers = append(headers, "X-API-Key", value)
			short := key.Do("POST", path, body, headers...)
			long := key.Do("POST", path, body, append(headers, ordinary...)...)
			if short.Status != 200 { // refusals tell the time
				short.Raw, long.Raw = refusal(short), refusal(long)
			}
			for _, h := range []http.Header{short.Header, long.Header} {
				h.Del("Date")
				h.Del("X-Request-Id")
				h.Del("Content-Length") // known before on the short way alone
			}
			diff := cmp.Diff(long.Raw, short.Raw) + cmp.Diff(long.Header, short.Header)
			if diff != "" || short.Status != long.Status {
				t.Errorf("%.300s: %d, and %d on the short way\n%s", body, long.Status, short.Status, diff)
			}
		}
		for _, body := range single {
			alike("/api/v1/permissions/evaluate", body, value)
		}
		for _, body := range many {
			alike("/api/v1/permissions/evaluate/bulk", body, value)
		}
		for _, other := range []string{"", "nonsense", wrong, value + " ", strings.ToUpper(value)} {
			alike("/api/v1/permissions/evaluate", here, other)
		}
		alike("/api/v1/permissions/evaluate", here, value, "Content-Type", "text/plain")
		alike("/api/v1/permissions/evaluate", here, value, "Content-Encoding", "gzip")
		alike("/api/v1/permissions/evaluate?x=1", here, value)
		own := "7d444840-9dc0-11d1-b245-5ffdce74fad2"
		a := key.Do("POST", "/api/v1/permissions/evaluate", here, "X-API-Key", value, "X-Request-Id", own)
		if a.Status != 200 || a.Header.Get("X-Request-Id") != own {
			t.Errorf("%d %v", a.Status, a.Header)
		}
	})
}

// refusal is what a refusal says, save when it was.
func refusal(a servertest.Answer) string {
	return fmt.Sprint(a.Code(), a.At("error", "message"), a.At("error", "details"))
}

// TestLateBodies: a question is answered as of when it is there, whichever way, and not as of
// when its call began.
func TestLateBodies(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		ends := s.Clock.Now().UTC().Add(time.Hour).Format("2006-01-02T15:04:05.000Z")
		w.Must(200, "PATCH", w.at+"/assignments/"+w.id, m{"role_id": w.reader, "effective_to": ends})
		value := w.Key(w.at, "permissions.evaluate")
		question := `{"identity_id":"` + w.ann + `","permission":"lease.read","scope":"node","node_id":"` + w.office + `"}`
		bodies := map[string]string{
			"/api/v1/permissions/evaluate":      question,
			"/api/v1/permissions/evaluate/bulk": `{"checks":[` + question + `]}`,
		}
		ask := func(path, body string, headers []string, meanwhile func()) string {
			rest := &late{meanwhile, strings.NewReader(body)}
			return post(t, s, value, path, rest, len(body), headers).Body.String()
		}
		for path, body := range bodies {
			for way, headers := range map[string][]string{"short": nil, "ordinary": ordinary} {
				if got := ask(path, body, headers, func() {}); !strings.Contains(got, `"allowed":true`) {
					t.Errorf("%s, the %s way: %s", path, way, got)
				}
				got := ask(path, body, headers, func() { s.Clock.Advance(2 * time.Hour) })
				if !strings.Contains(got, "assignment_not_active") {
					t.Errorf("%s, the %s way, late: %s", path, way, got)
				}
				s.Clock.Advance(-2 * time.Hour)
			}
		}
	})
}

// TestOtherSpellingsOfAPath: an escaped slash ends no segment, on either way.
func TestOtherSpellingsOfAPath(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		value := w.Key(w.at, "permissions.evaluate")
		body := `{"checks":[{"identity_id":"` + w.ann + `","permission":"lease.read","scope":"app_wide"}]}`
		for path, want := range map[string]int{
			"/api/v1/permissions/evaluate%2Fbulk": 405, "/api/v1%2Fpermissions/evaluate/bulk": 404,
			"/api/v1/permissions/evaluate/%62ulk": 200, "/api/v1/permissions/evaluate/bulk": 200,
		} {
			for way, headers := range map[string][]string{"short": nil, "ordinary": ordinary} {
				if got := post(t, s, value, path, strings.NewReader(body), len(body), headers); got.Code != want {
					t.Errorf("%s, the %s way: %d %s", path, way, got.Code, got.Body)
				}
			}
		}
	})
}

// TestTornBodies: a body that breaks off is refused on either way, though what came of it is
// a question.
func TestTornBodies(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		w := newReading(s.Provoker())
		value := w.Key(w.at, "permissions.evaluate")
		question := `{"identity_id":"` + w.ann + `","permission":"lease.read","scope":"app_wide"}`
		for path, body := range map[string]string{
			"/api/v1/permissions/evaluate": question, "/api/v1/permissions/evaluate/bulk": `{"checks":[` + question + `]}`,
		} {
			for _, came := range []string{"", body[:20], body[:len(body)-1], body} {
				for way, headers := range map[string][]string{"short": nil, "ordinary": ordinary} {
					got := post(t, s, value, path, &torn{rest: strings.NewReader(came)}, len(body)+5, headers)
					if got.Code != 400 || !strings.Contains(got.Body.String(), "body could not be read") {
						t.Errorf("%s, the %s way: %q: %d %s", path, way, came, got.Code, got.Body)
					}
				}
			}
		}
	})
}

// torn is a body that ends too early, as net/http gives it: it says so once.
type torn struct {
	rest *strings.Reader
	told bool
}

func (r *torn) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 && !r.told {
		r.told = true
		return 0, io.ErrUnexpectedEOF
	}
	return r.rest.Read(p)
}

// post sends a body of some length with a key.
func post(
	t *testing.T, s *servertest.Server, key, path string, body io.Reader, length int, headers []string,
) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "POST", path, body)
	r.Host, r.ContentLength = "localhost", int64(length)
	r.Header.Set("X-API-Key", key)
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	rec := httptest.NewRecorder()
	s.Router.ServeHTTP(rec, r)
	return rec
}

// late is a body before which something happens.
type late struct {
	meanwhile func()
	rest      io.Reader
}

func (l *late) Read(p []byte) (int, error) {
	l.meanwhile()
	l.meanwhile = func() {}
	return l.rest.Read(p)
}

// mostAllocations is what a decision over HTTP may allocate, net/http's own work and this
// test's request excepted.
const mostAllocations = 12

// TestDecisionAllocates counts what a decision costs the collector.
//
//nolint:paralleltest // counting allocations bears nothing beside it
func TestDecisionAllocates(t *testing.T) {
	s := servertest.New(t, database.SQLite, nil)
	w := newStaffed(s.Provoker())
	value := w.Key(w.at, "permissions.evaluate")
	body := `{"identity_id":"` + w.ann + `","permission":"lease.read","scope":"node","node_id":"` + w.office + `"}`
	ask := func() {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/permissions/evaluate", strings.NewReader(body))
		r.Host = "localhost"
		r.Header["X-Api-Key"], r.Header["Content-Type"] = []string{value}, []string{"application/json"}
		rec := httptest.NewRecorder()
		s.Router.ServeHTTP(rec, r)
		if rec.Code != 200 {
			t.Errorf("%d %s", rec.Code, rec.Body)
		}
	}
	nothing := func() {
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/api/v1/permissions/evaluate", strings.NewReader(body))
		r.Host = "localhost"
		r.Header["X-Api-Key"], r.Header["Content-Type"] = []string{value}, []string{"application/json"}
		rec := httptest.NewRecorder()
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }).ServeHTTP(rec, r)
	}
	ask()
	if all, own := testing.AllocsPerRun(200, ask), testing.AllocsPerRun(200, nothing); all-own > mostAllocations {
		t.Errorf("%v allocations, of which %v are the test's: more than %d", all, own, mostAllocations)
	} else {
		t.Logf("%v allocations, of which %v are the test's", all, own)
	}
}

// BenchmarkDecision is what a decision takes inside the router, on the short way.
func BenchmarkDecision(b *testing.B) {
	s := servertest.New(b, database.SQLite, nil)
	w := newStaffed(s.Provoker())
	value := w.Key(w.at, "permissions.evaluate")
	body := `{"identity_id":"` + w.ann + `","permission":"lease.read","scope":"node","node_id":"` + w.office + `"}`
	r := httptest.NewRequestWithContext(b.Context(), "POST", "/api/v1/permissions/evaluate", nil)
	r.Host = "localhost"
	r.Header["X-Api-Key"], r.Header["Content-Type"] = []string{value}, []string{"application/json"}
	in := strings.NewReader(body)
	r.Body, r.ContentLength = io.NopCloser(in), int64(len(body))
	rec := httptest.NewRecorder()
	for b.Loop() {
		in.Reset(body)
		rec.Body.Reset()
		s.Router.ServeHTTP(rec, r)
	}
	if rec.Code != 200 {
		b.Errorf("%d %s", rec.Code, rec.Body)
	}
}
