package eventsapi_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/server/servertest"
)

// exports asks for files through one door, and has them made.
type exports struct {
	t *testing.T
	s *servertest.Server
	c *servertest.Client
	// header is that of the calls, at where they go.
	header []string
	at     string
}

func (e exports) do(method, path string, body any) answer {
	e.t.Helper()
	return e.c.Do(method, e.at+path, body, e.header...)
}

// made asks for a file, waits for it and gives the job.
func (e exports) made(body m) answer {
	e.t.Helper()
	asked := e.do("POST", "", body)
	if asked.Status != 202 || asked.Text("data", "status") != "pending" || asked.At("data", "download_url") != nil {
		e.t.Fatalf("asked: %d %s", asked.Status, asked.Raw)
	}
	if _, err := e.s.Exports.RunDue(e.t.Context()); err != nil {
		e.t.Fatal(err)
	}
	return e.do("GET", "/"+asked.Text("data", "id"), nil)
}

// fetch follows a link, without any credential.
func (e exports) fetch(link string) answer {
	e.t.Helper()
	path, below := strings.CutPrefix(link, e.s.URL)
	if !below {
		e.t.Fatalf("the link is %q", link)
	}
	return e.s.Client().Do("GET", path, nil)
}

// doorsOf are the three doors, with the rows about each of an Account where Dana is made here,
// Omar there and a role here.
func doorsOf(t *testing.T, p provoker) (w place, public, identities, admin exports) {
	t.Helper()
	s := p.Server
	w = newPlace(p)
	w.person(w.here, "dana@acme.com")
	w.person(w.there, "omar@acme.com")
	w.owner.Must(201, "POST", w.here+"/roles", m{"name": "=Reader"})
	public = exports{t, s, s.Client(), []string{"X-API-Key", w.key}, "/api/v1/audit-events/export"}
	identities = exports{t, s, w.owner, nil, w.account + "/audit-log/identities/export"}
	admin = exports{t, s, w.owner, nil, w.account + "/audit-log/admin/export"}
	return w, public, identities, admin
}

func labels(t *testing.T, file string) (list []string) {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil || len(lines) == 0 || lines[0][12] != "resource_label" {
		t.Fatalf("%v in %q", err, file)
	}
	for _, line := range lines[1:] {
		list = append(list, line[12])
	}
	return list
}

// Each door's files have the rows of its surface and reach, and exist at that door alone.
func TestExportsOfEachDoor(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		p := s.Provoker()
		w, public, identities, admin := doorsOf(t, p)
		made := m{"action": []string{"identity.created", "role.created"}}
		doors := []struct {
			exports
			surface string
			want    []string
		}{
			{public, "identities", []string{"dana@acme.com"}},
			{identities, "identities", []string{"dana@acme.com", "omar@acme.com"}},
			{admin, "admin", []string{"dana@acme.com", "omar@acme.com", "'=Reader"}},
		}
		var ids []string
		for _, d := range doors {
			job := d.made(made)
			if job.Status != 200 || job.Text("data", "status") != "completed" || job.Text("data", "surface") != d.surface {
				t.Fatalf("%s: %s", d.at, job.Raw)
			}
			got := labels(t, d.fetch(job.Text("data", "download_url")).Raw)
			if diff := cmp.Diff(d.want, got); diff != "" {
				t.Errorf("%s:\n%s", d.at, diff)
			}
			ids = append(ids, job.Text("data", "id"))
		}
		there := public
		there.header = []string{"X-API-Key", w.keyThere}
		stranger := newPlace(p)
		elsewhere := exports{t, s, stranger.owner, nil, stranger.account + "/audit-log/admin/export"}
		for i, d := range append([]exports{public, identities, admin}, there, elsewhere) {
			for k, id := range ids {
				if i == k {
					continue
				}
				for _, method := range []string{"GET", "DELETE"} {
					if a := d.do(method, "/"+id, nil); a.Code() != "audit.export_not_found" {
						t.Errorf("%s %s/%s: %s", method, d.at, id, a.Raw)
					}
				}
			}
			if a := d.do("GET", "", nil); a.Status != 200 || strings.Contains(a.Raw, "download_url") {
				t.Errorf("the list of %s: %s", d.at, a.Raw)
			}
		}
	})
}

// A download is a file to be saved, which nobody keeps and no browser guesses about.
func TestDownload(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		_, public, _, _ := doorsOf(t, s.Provoker())
		for format, media := range map[string]string{
			"csv": "text/csv; charset=utf-8", "ndjson": "application/x-ndjson; charset=utf-8",
		} {
			job := public.made(m{"format": format})
			link := job.Text("data", "download_url")
			if again := public.do("GET", "/"+job.Text("data", "id"), nil).Text("data", "download_url"); again == "" {
				t.Error("another read has no link")
			}
			a := public.fetch(link)
			for name, want := range map[string]string{
				"Content-Type": media, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				"Content-Disposition": `attachment; filename="audit-` + job.Text("data", "id") + `.` + format + `"`,
			} {
				if got := a.Header.Get(name); a.Status != 200 || got != want {
					t.Errorf("%s: %d, %s %q", format, a.Status, name, got)
				}
			}
			if a.Raw == "" || a.Header.Get("Content-Length") == "" {
				t.Errorf("%s: %v", format, a.Header)
			}
			path := strings.TrimPrefix(link, s.URL)
			if head := s.Client().Do(http.MethodHead, path, nil); head.Status != 200 ||
				head.Header.Get("Content-Length") != a.Header.Get("Content-Length") {
				t.Errorf("HEAD: %d %v", head.Status, head.Header)
			}
			for _, bad := range []string{
				strings.Replace(path, "signature=", "signature=A", 1), strings.Replace(path, "expires=", "expires=1", 1),
				strings.Replace(path, "account=", "account=0", 1), strings.Split(path, "?")[0],
				strings.Replace(path, job.Text("data", "id"), servertest.NoID, 1),
			} {
				if a := s.Client().Do("GET", bad, nil); a.Status != 404 || a.Code() != "audit.export_not_found" {
					t.Errorf("%s: %s", bad, a.Raw)
				}
			}
			if strings.Contains(s.Log.String(), "signature") {
				t.Error("a link is in the server's log")
			}
			s.Clock.Advance(15 * time.Minute)
			if a := public.fetch(link); a.Code() != "audit.export_not_found" {
				t.Errorf("late: %s", a.Raw)
			}
		}
	})
}

func TestBadExportQueries(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		_, public, _, _ := doorsOf(t, s.Provoker())
		for what, body := range map[string]any{
			"a format that is none": m{"format": "xml"},
			"a cursor":              m{"cursor": "x"},
			"a limit":               m{"limit": 5},
			"an end before":         m{"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
			"no instant":            m{"from": "yesterday"},
			"no id":                 m{"actor_id": "alex"},
			"no category":           m{"category": "nothing"},
			"a NUL":                 m{"q": "\x00"},
			"too long a text":       m{"q": strings.Repeat("x", 201)},
			"no list":               m{"action": "role.created"},
		} {
			if a := public.do("POST", "", body); a.Status != 400 || a.Code() != "validation" {
				t.Errorf("%s: %d %s", what, a.Status, a.Raw)
			}
		}
		elsewhere := public.made(m{"environment_id": servertest.NoID, "format": "ndjson"})
		if a := public.fetch(elsewhere.Text("data", "download_url")); a.Status != 200 || a.Raw != "" {
			t.Errorf("of another Environment: %d %s", a.Status, a.Raw)
		}
	})
}

// An Account has five unfinished files at most, through whichever doors they were asked for, and
// a repeat with the same Idempotency-Key is none more.
func TestSixthExportIsRefused(t *testing.T) {
	t.Parallel()
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		_, public, identities, admin := doorsOf(t, s.Provoker())
		first := public.c.Do("POST", public.at, m{}, append(public.header, "Idempotency-Key", "one")...)
		for range 2 {
			again := public.c.Do("POST", public.at, m{}, append(public.header, "Idempotency-Key", "one")...)
			if again.Status != 202 || again.Text("data", "id") != first.Text("data", "id") {
				t.Errorf("a repeat: %d %s", again.Status, again.Raw)
			}
		}
		for _, d := range []exports{public, identities, admin, identities} {
			if a := d.do("POST", "", m{}); a.Status != 202 {
				t.Errorf("%s: %d %s", d.at, a.Status, a.Raw)
			}
		}
		for _, d := range []exports{public, identities, admin} {
			if a := d.do("POST", "", m{}); a.Status != 429 || a.Code() != "rate_limit.exceeded" {
				t.Errorf("%s: %d %s", d.at, a.Status, a.Raw)
			}
		}
	})
}
