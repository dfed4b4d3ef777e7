package arch_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestGuideShowsRealCode: every line that the guide's diff adds stands in the file
// that it names, and no operation takes more than six files.
func TestGuideShowsRealCode(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join(root, "docs/guide/endpoint.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, diff, found := strings.Cut(string(raw), "```diff\n")
	diff, _, closed := strings.Cut(diff, "```")
	if !found || !closed {
		t.Fatal("the guide has no diff")
	}
	var lines []string
	files := 0
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "+++ "); ok {
			file, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			lines = strings.Split(string(file), "\n")
			files++
			continue
		}
		if added, ok := strings.CutPrefix(line, "+"); !ok || !slices.Contains(lines, added) {
			t.Errorf("the guide shows a line that is no longer there: %s", line)
		}
	}
	if files == 0 || files > 6 {
		t.Errorf("the guide's operation takes %d files", files)
	}
}
