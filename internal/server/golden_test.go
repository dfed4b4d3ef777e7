package server_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/server"
)

var update = flag.Bool("update", false, "rewrite the files of api/")

// TestPublishedFiles: the files of api/ are what the code says, so that a change
// of the API is seen in review.
func TestPublishedFiles(t *testing.T) {
	t.Parallel()
	document, err := server.Document(wire.About{Version: "dev", ServerURL: "http://localhost:8080"})
	if err != nil {
		t.Fatal(err)
	}
	codes, err := wire.Encode(server.Errors())
	if err != nil {
		t.Fatal(err)
	}
	events, err := wire.Encode(server.Catalogue())
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"openapi.json": document, "errors.json": codes, "events.json": events}
	for name, raw := range files {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, raw, "", "  "); err != nil {
			t.Fatal(err)
		}
		pretty.WriteByte('\n')
		path := filepath.Join("../../api", name)
		if *update {
			if err := os.WriteFile(path, pretty.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		kept, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(kept), pretty.String()); diff != "" {
			t.Errorf("api/%s is not what the code says (-file +code); this writes it:\n"+
				"go test ./internal/server -run TestPublishedFiles -update\n%s", name, diff)
		}
	}
}
