// Package private makes files and folders that are for their user alone, whatever
// the umask. It doesn't know what lies in them.
package private

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const (
	fileMode   = 0o600
	folderMode = 0o700
)

// Folder makes the folder and those above it that are missing. One that exists is
// left as it is.
func Folder(path string) error {
	missing := []string{}
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
			break
		}
		missing = append(missing, at)
	}
	for _, at := range slices.Backward(missing) {
		if err := os.Mkdir(at, folderMode); errors.Is(err, fs.ErrExist) {
			continue // another process was faster
		} else if err != nil {
			return err
		}
		if err := os.Chmod(at, folderMode); err != nil {
			return err
		}
	}
	return nil
}

// File makes a new file, open for reading and writing; fs.ErrExist where there is
// one.
func File(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, fileMode)
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(fileMode); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Tighten takes a file that exists away from all but its user. A file that isn't
// there is none that others can read.
func Tighten(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Perm()&^fileMode == 0 {
		return nil
	}
	if err := os.Chmod(path, info.Mode().Perm()&fileMode); err != nil {
		return fmt.Errorf("others may read %s (mode %04o), and that can't be changed: %w",
			path, info.Mode().Perm(), err)
	}
	return nil
}
