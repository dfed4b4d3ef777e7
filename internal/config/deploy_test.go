package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// example is a settings file in which every setting stands commented, with its meaning and
// its default.
func example() string {
	var b strings.Builder
	b.WriteString("# Settings of Canopy, for canopy serve --config FILE. Each stands here with its default, or\n" +
		"# empty where it has none; take the # away from what you change. The environment\n" +
		"# (CANOPY_PUBLIC_URL for public_url) wins over this file.\n")
	for f := range reflect.TypeFor[Settings]().Fields() {
		b.WriteString("\n")
		line := "#"
		for word := range strings.FieldsSeq(f.Tag.Get("help")) {
			if len(line)+1+len(word) > 96 {
				b.WriteString(line + "\n")
				line = "#"
			}
			line += " " + word
		}
		key := strings.ToLower(strings.TrimPrefix(f.Tag.Get("env"), "CANOPY_"))
		fmt.Fprintf(&b, "%s\n#%s: %q\n", line, key, f.Tag.Get("default"))
	}
	return b.String()
}

// TestExampleListsAllSettings, and what is left of it without the # is a settings file.
func TestExampleListsAllSettings(t *testing.T) {
	t.Parallel()
	const path = "../../deploy/canopy.example.yaml"
	want := example()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(raw), want); diff != "" {
		t.Errorf("the example (-is +should be; go test ./internal/config -update writes it):\n%s", diff)
	}
	var all strings.Builder
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "#"); ok && !strings.HasPrefix(rest, " ") {
			all.WriteString(rest)
		}
	}
	if n := strings.Count(all.String(), "\n"); n != len(Variables()) {
		t.Errorf("%d settings of %d", n, len(Variables()))
	}
	if _, err := File(strings.NewReader(all.String())); err != nil {
		t.Error(err)
	}
}

// TestServiceStaysHardened: what keeps a server that was broken into from more.
func TestServiceStaysHardened(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../deploy/canopy.service")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes",
		"PrivateDevices=yes", "CapabilityBoundingSet=CAP_NET_BIND_SERVICE", "SystemCallFilter=@system-service",
		"SystemCallFilter=~@privileged @resources", "RestrictNamespaces=yes", "MemoryDenyWriteExecute=yes",
		"RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "StateDirectoryMode=0700", "UMask=0077",
		"TimeoutStopSec=20", "ExecStart=/usr/local/bin/canopy serve --config /etc/canopy/canopy.yaml",
	} {
		if !strings.Contains(string(raw), "\n"+want+"\n") {
			t.Errorf("no %s", want)
		}
	}
}
