package tenantapi_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/config"
	"canopy.dev/canopy/internal/server/servertest"
)

// packed is a text as gzip packs it.
func packed(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPackedImports: a dump may come packed. What does not unpack to one within the limit
// changes nothing.
func TestPackedImports(t *testing.T) {
	t.Parallel()
	small := func(s *config.Settings) { s.ImportLimit = "256KiB" }
	servertest.Each(t, small, func(t *testing.T, s *servertest.Server) {
		c, app, at := furnished(t, s)
		production := app + "/environments/production"
		raw, err := json.Marshal(inside(c.Must(200, "GET", at+"/export", nil)))
		if err != nil {
			t.Fatal(err)
		}
		dump := string(raw)
		send := func(body, encoding string) servertest.Answer {
			return c.Do("POST", production+"/import", body, "Content-Encoding", encoding)
		}
		before := undated(c.Must(200, "GET", production+"/export", nil))
		whole := packed(t, dump)
		// As large as a dump may be, and a little more: packed it is a few hundred bytes.
		bomb := packed(t, strings.Repeat(" ", 32<<20)+dump)
		flipped := []byte(whole)
		flipped[len(flipped)/2] ^= 0x55
		for name, bad := range map[string]struct {
			body, encoding string
			status         int
		}{
			"a bomb":                       {bomb, "gzip", 413},
			"too large as it comes":        {dump + strings.Repeat(" ", 256<<10), "identity", 413},
			"cut off":                      {whole[:len(whole)/2], "gzip", 400},
			"without its checksum":         {whole[:len(whole)-8], "gzip", 400},
			"broken on the way":            {string(flipped), "gzip", 400},
			"not packed, and says so":      {dump, "gzip", 400},
			"packed, and does not say so":  {whole, "identity", 400},
			"packed twice":                 {packed(t, whole), "gzip", 400},
			"two dumps":                    {packed(t, dump+dump), "gzip", 400},
			"an unknown packing":           {whole, "br", 415},
			"cut off before it was packed": {packed(t, dump[:len(dump)-1]), "gzip", 400},
		} {
			if a := send(bad.body, bad.encoding); a.Status != bad.status {
				t.Errorf("%s answers %d, want %d: %.300s", name, a.Status, bad.status, a.Raw)
			}
		}
		if after := undated(c.Must(200, "GET", production+"/export", nil)); after != before {
			t.Errorf("a refused import has changed something:\n%s\n%s", before, after)
		}
		if a := send(whole, "gzip"); a.Status != 200 {
			t.Errorf("a packed dump answers %d: %s", a.Status, a.Raw)
		}
		if nodes := c.Must(200, "GET", production+"/export", nil).At("data", "nodes").([]any); len(nodes) != 4 {
			t.Errorf("%d nodes came of four", len(nodes))
		}
	})
}
