package private_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"canopy.dev/canopy/internal/foundation/private"
)

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

// The umask is the whole process's, so this test runs beside no other.
//
//nolint:paralleltest // see above
func TestFilesAreForTheirUserAlone(t *testing.T) {
	for _, umask := range []int{0, 0o022, 0o277, 0o777} {
		dir := t.TempDir()
		func() {
			defer syscall.Umask(syscall.Umask(umask))
			if err := private.Folder(filepath.Join(dir, "a", "b")); err != nil {
				t.Fatal(err)
			}
			f, err := private.File(filepath.Join(dir, "a", "b", "file"))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := private.File(filepath.Join(dir, "a", "b", "file")); !errors.Is(err, fs.ErrExist) {
				t.Errorf("a second time: %v", err)
			}
		}()
		for name, want := range map[string]fs.FileMode{"a": 0o700, "a/b": 0o700, "a/b/file": 0o600} {
			if got := mode(t, filepath.Join(dir, name)); got != want {
				t.Errorf("umask %04o: %s has %04o", umask, name, got)
			}
		}
	}
}

func TestTightenTakesRightsAwayOnly(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := private.Tighten(path); err != nil {
		t.Errorf("a file that isn't there: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for before, after := range map[fs.FileMode]fs.FileMode{
		0o644: 0o600, 0o660: 0o600, 0o600: 0o600, 0o440: 0o400, 0o777: 0o600,
	} {
		if err := os.Chmod(path, before); err != nil {
			t.Fatal(err)
		}
		if err := private.Tighten(path); err != nil || mode(t, path) != after {
			t.Errorf("%04o becomes %04o, want %04o: %v", before, mode(t, path), after, err)
		}
	}
}

func TestTightenTellsWhatItCanNot(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/self/status"); err != nil {
		return // no Linux, no file whose mode not even root may change
	}
	if err := private.Tighten("/proc/self/status"); err == nil {
		t.Error("no error")
	}
}

func TestFoldersThatExistAreLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := private.Folder(dir); err != nil || mode(t, dir) != 0o755 {
		t.Errorf("%04o, %v", mode(t, dir), err)
	}
}
