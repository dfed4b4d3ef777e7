package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// fileServer hands out a file that write writes.
func fileServer(t *testing.T, size int64, write func(io.Writer) error) *httptest.Server {
	t.Helper()
	rt := newRouter(nil)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: "GET", Path: "/file", ID: "file", Summary: "X", About: "X.", Media: []string{"text/csv"},
		Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.File, error) {
		return wire.File{
			Name: "a.csv", Media: "text/csv; charset=utf-8", Size: size,
			Write: func(_ context.Context, w io.Writer) error { return write(w) },
		}, nil
	})
	s := httptest.NewServer(rt)
	t.Cleanup(s.Close)
	return s
}

type fetched struct {
	status int
	length int64
	header http.Header
}

// fetchFile gives the head of an answer, whose body has been read, and what was read.
func fetchFile(t *testing.T, s *httptest.Server) (head fetched, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/file", http.NoBody)
	if err != nil {
		return head, "", err
	}
	res, err := s.Client().Do(req)
	if err != nil {
		return head, "", err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	return fetched{res.StatusCode, res.ContentLength, res.Header}, string(raw), err
}

func TestFileIsSentAsItIs(t *testing.T) {
	t.Parallel()
	s := fileServer(t, 6, func(w io.Writer) error {
		_, err := io.WriteString(w, "a,b\r\n\n")
		return err
	})
	head, body, err := fetchFile(t, s)
	if err != nil || body != "a,b\r\n\n" || head.length != 6 ||
		head.header.Get("Content-Type") != "text/csv; charset=utf-8" || head.header.Get("Cache-Control") != "no-store" ||
		head.header.Get("Content-Disposition") != `attachment; filename="a.csv"` {
		t.Errorf("%v %q %v", err, body, head)
	}
}

// A file that can't be read to its end is cut, so that nobody takes the part for the whole.
func TestBrokenFileIsCut(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 1<<20)
	s := fileServer(t, 2<<20, func(w io.Writer) error {
		if _, err := io.WriteString(w, long); err != nil {
			return err
		}
		return errors.New("it is gone")
	})
	if _, body, err := fetchFile(t, s); err == nil {
		t.Errorf("%d bytes are the whole", len(body))
	}
}

// One network has four files at once.
func TestFewFilesAtOnce(t *testing.T) {
	t.Parallel()
	begun, goOn := make(chan struct{}, 5), make(chan struct{})
	s := fileServer(t, 1, func(w io.Writer) error {
		begun <- struct{}{}
		<-goOn
		_, err := io.WriteString(w, "x")
		return err
	})
	ended := make(chan error, 4)
	for range 4 {
		go func() {
			_, body, err := fetchFile(t, s)
			if err == nil && body != "x" {
				err = errors.New("it is " + body)
			}
			ended <- err
		}()
	}
	for range 4 {
		<-begun
	}
	if head, body, _ := fetchFile(t, s); head.status != 503 || !strings.Contains(body, "server.busy") {
		t.Errorf("the fifth: %d %s", head.status, body)
	}
	close(goOn)
	for range 4 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestFilesHaveMediaTypes(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("a route that answers a file of no media type is taken")
		}
	}()
	rt := newRouter(nil)
	wire.Handle(rt.Public("", thingTag), wire.Route{
		Method: "GET", Path: "/file", ID: "file", Summary: "X", About: "X.", Status: http.StatusOK,
	}, func(context.Context, *wire.Call, principal.Actor, wire.None) (wire.File, error) {
		return wire.File{}, nil
	})
}
