package scenario_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/access/scenario"
)

var update = flag.Bool("update", false, "write the answers of the engine into the files, where the oracle agrees")

func files(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for _, name := range files(t) {
		t.Run(strings.TrimSuffix(name, ".txtar"), func(t *testing.T) {
			t.Parallel()
			file, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var texts [][]byte
			for _, e := range []struct {
				name string
				pure scenario.Named
			}{{"engine", scenario.Offline}, {"oracle", newPlain}} {
				r, err := scenario.Run(file, e.pure)
				if err != nil {
					t.Fatalf("%s: %v", e.name, err)
				}
				texts = append(texts, r.Text)
				if r.Asked == 0 {
					t.Errorf("nothing is asked")
				}
				// A package cannot be asked what makes no sense.
				if want := bytes.Count(file, []byte("=> 400")); r.DoorOnly != want {
					t.Errorf("%d questions were left to doors, want %d", r.DoorOnly, want)
				}
				for _, wrong := range r.Wrong {
					if !*update {
						t.Errorf("%s: %s", e.name, wrong)
					}
				}
			}
			if !bytes.Equal(texts[0], texts[1]) {
				t.Fatalf("engine and oracle do not agree")
			}
			if *update && !bytes.Equal(file, texts[0]) {
				if err := os.WriteFile(name, texts[0], 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func TestThereAreFortyWorlds(t *testing.T) {
	t.Parallel()
	if n := len(files(t)); n < 40 {
		t.Errorf("%d worlds, at least 40 are wanted", n)
	}
}

// TestEveryWorkedCaseIsThere: a case of the specification is marked "case N".
func TestEveryWorkedCaseIsThere(t *testing.T) {
	t.Parallel()
	file, err := os.ReadFile("worked-examples.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var cases []int
	for _, m := range regexp.MustCompile(`(?m) => .*# case (\d+)$`).FindAllSubmatch(file, -1) {
		n, _ := strconv.Atoi(string(m[1]))
		cases = append(cases, n)
	}
	slices.Sort(cases)
	for n := 1; n <= 47; n++ {
		if len(cases) < n || cases[n-1] != n {
			t.Fatalf("case %d does not stand there, once: %v", n, cases)
		}
	}
}
