package config

import (
	"flag"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite docs/guide/settings.md")

// The guide lists every setting, with its variable, default and meaning.
func TestGuideListsAllSettings(t *testing.T) {
	t.Parallel()
	const path = "../../docs/guide/settings.md"
	var b strings.Builder
	b.WriteString("# Settings\n\nEach is a flag of every command too: `CANOPY_PUBLIC_URL` is `--public-url`, " +
		"and `public_url` in the file of `--config`.\n\n")
	b.WriteString("| variable | default | meaning |\n| --- | --- | --- |\n")
	for f := range reflect.TypeFor[Settings]().Fields() {
		name, meaning, value := f.Tag.Get("env"), f.Tag.Get("help"), f.Tag.Get("default")
		if name == "" || meaning == "" {
			t.Errorf("%s has no variable or no meaning", f.Name)
		}
		if value != "" {
			value = "`" + value + "`"
		}
		b.WriteString("| `" + name + "` | " + value + " | " + strings.ReplaceAll(meaning, "|", `\|`) + " |\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), b.String()); diff != "" {
		t.Errorf("the guide (-is +should be; go test ./internal/config -update writes it):\n%s", diff)
	}
}
