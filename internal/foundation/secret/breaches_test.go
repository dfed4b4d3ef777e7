package secret

import (
	"crypto/sha1"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// listOf are the lines of a list of passwords: sorted hashes, each with how often it was seen.
func listOf(n int) []string {
	var lines []string
	for i := range n {
		sum := sha1.Sum([]byte("password " + strconv.Itoa(i)))
		lines = append(lines, strings.ToUpper(hex.EncodeToString(sum[:]))+":"+strconv.Itoa(1+i*i))
	}
	slices.Sort(lines)
	return lines
}

func written(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "breached.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// hashesOnly cuts off how often each was seen.
func hashesOnly(lines []string) []string {
	var list []string
	for _, line := range lines {
		list = append(list, line[:40])
	}
	return list
}

// TestBreachesInAFile: every password of a list is found and no other one, whatever the list
// is written like and wherever the line stands.
func TestBreachesInAFile(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 7, 100, 5000} {
		lines := listOf(n)
		for name, text := range map[string]string{
			"counts":                   strings.Join(lines, "\n") + "\n",
			"counts of Windows":        strings.Join(lines, "\r\n") + "\r\n",
			"hashes alone":             strings.Join(hashesOnly(lines), "\n") + "\n",
			"small letters":            strings.ToLower(strings.Join(lines, "\n")) + "\n",
			"no end of the last line":  strings.Join(lines, "\n"),
			"hashes alone and no end":  strings.Join(hashesOnly(lines), "\n"),
			"a colon and nothing more": strings.Join(hashesOnly(lines), ":\n") + ":\n",
		} {
			b, err := OpenBreaches(written(t, text))
			if err != nil {
				t.Fatalf("%d, %s: %v", n, name, err)
			}
			for i := range n + 50 {
				held, err := b.Hold("password " + strconv.Itoa(i))
				if held != (i < n) || err != nil {
					t.Errorf("%d, %s: password %d is held: %v, %v", n, name, i, held, err)
				}
			}
			_ = b.file.Close()
		}
	}
}

// TestNoListOfBreaches: what is no list is not taken for one.
func TestNoListOfBreaches(t *testing.T) {
	t.Parallel()
	lines := listOf(3000)
	shuffled := slices.Clone(lines)
	slices.SortFunc(shuffled, func(a, b string) int { return strings.Compare(a[41:], b[41:]) })
	reversed := slices.Clone(lines)
	slices.Reverse(reversed)
	garbled := slices.Clone(lines)
	garbled[1500] = strings.Repeat("x", 5000)
	longer, shorter := hashesOnly(lines), hashesOnly(lines)
	for i := range lines {
		longer[i], shorter[i] = longer[i]+"00", shorter[i][:32]
	}
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "is empty"},
		"an empty line":         {"\n", "not a SHA-1"},
		"words":                 {"password\n12345678\n", "not a SHA-1"},
		"longer hashes":         {strings.Join(longer, "\n"), "not a SHA-1"},
		"shorter hashes":        {strings.Join(shorter, "\n"), "not a SHA-1"},
		"in order of frequency": {strings.Join(shuffled, "\n"), "is not sorted by hash"},
		"backwards":             {strings.Join(reversed, "\n"), "is not sorted by hash"},
		"two, backwards":        {strings.Join(reversed[:2], "\n"), "is not sorted by hash"},
		"garbage in the middle": {strings.Join(garbled, "\n"), "not a SHA-1"},
		"one long line":         {strings.Repeat("0", 1<<20), "not a SHA-1"},
		"zeros":                 {strings.Repeat("\x00", 1<<20), "not a SHA-1"},
	} {
		path := written(t, c.text)
		_, err := OpenBreaches(path)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	dir := t.TempDir()
	for name, path := range map[string]string{"a directory": dir, "nothing there": filepath.Join(dir, "none")} {
		if _, err := OpenBreaches(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestListThatWasLost: what can't be looked up any more is no answer.
func TestListThatWasLost(t *testing.T) {
	t.Parallel()
	path := written(t, strings.Join(listOf(100), "\n"))
	b, err := OpenBreaches(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 100); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for i := range 100 {
		if _, err := b.Hold("password " + strconv.Itoa(i)); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Error("a list that was cut off is looked up in like a whole one")
	}
	if err := b.file.Close(); err != nil {
		t.Fatal(err)
	}
	if held, err := b.Hold("password 1"); err == nil {
		t.Errorf("a list that is closed answers %v", held)
	}
}

// TestCommonBreaches are part of the program; the zero list has none.
func TestCommonBreaches(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]bool{"password1": true, "iloveyou": true, "correct horse battery": false} {
		if held, err := Common().Hold(password); held != want || err != nil {
			t.Errorf("%s: %v, %v", password, held, err)
		}
		if held, err := (Breaches{}).Hold(password); held || err != nil {
			t.Errorf("%s in no list: %v, %v", password, held, err)
		}
	}
}
