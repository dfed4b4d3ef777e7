package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestListOfBreachedPasswords: bundled, off or a file; whatever is none of them stops the start
// with a line that names the setting and the file.
func TestListOfBreachedPasswords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	list, words := filepath.Join(dir, "list.txt"), filepath.Join(dir, "words.txt")
	for path, text := range map[string]string{
		list: "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n", words: "password\n", // of "password"
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for setting, want := range map[string]struct{ password, password1 bool }{
		"": {true, true}, "bundled": {true, true}, "off": {false, false}, list: {true, false},
	} {
		c := Checked{Settings: Settings{Breached: setting}}
		if err := c.checkPasswords(); err != nil {
			t.Errorf("%q: %v", setting, err)
		}
		for password, want := range map[string]bool{"password": want.password, "password1": want.password1} {
			if held, err := c.Breaches.Hold(password); held != want || err != nil {
				t.Errorf("%q: %s is held: %v, %v", setting, password, held, err)
			}
		}
	}
	for _, setting := range []string{words, dir, filepath.Join(dir, "none"), "Bundled"} {
		c := Checked{Settings: Settings{Breached: setting}}
		err := c.checkPasswords()
		if err == nil || !strings.Contains(err.Error(), "CANOPY_BREACHED_PASSWORDS") ||
			!strings.Contains(err.Error(), setting) {
			t.Errorf("%q: %v", setting, err)
		}
	}
}

func TestHistoryOfPasswords(t *testing.T) {
	t.Parallel()
	for n, good := range map[int]bool{-1: false, 0: true, 5: true, 24: true, 25: false} {
		c := Checked{Settings: Settings{PasswordHistory: n}}
		err := c.checkPasswords()
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "CANOPY_PASSWORD_HISTORY") {
			t.Errorf("%d: %v", n, err)
		}
	}
}
