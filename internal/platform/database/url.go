package database

import (
	"errors"
	"fmt"
	"strings"
)

// target is what a database URL names.
type target struct {
	engine Engine
	path   string // of the SQLite file
}

var errURL = errors.New("it must be sqlite:PATH or postgres://…")

// CheckURL says what is wrong with a database URL, in one line without secrets, or
// nil. It opens nothing.
func CheckURL(rawURL string) error {
	_, err := parseURL(rawURL)
	return err
}

// SQLitePath is the file that a database URL names, and whether it names one.
func SQLitePath(rawURL string) (string, bool) {
	t, err := parseURL(rawURL)
	return t.path, err == nil && t.engine == SQLite
}

func parseURL(rawURL string) (target, error) {
	scheme, rest, ok := strings.Cut(rawURL, ":")
	switch {
	case !ok:
		return target{}, errURL
	case scheme == "sqlite":
		return target{SQLite, rest}, checkPath(rest)
	case scheme == "postgres" || scheme == "postgresql":
		if !strings.HasPrefix(rest, "//") {
			return target{}, fmt.Errorf("after %s: comes //, as in %s://user@host/database", scheme, scheme)
		}
		return target{engine: Postgres}, nil
	case strings.EqualFold(scheme, "sqlite3") || scheme == "file" || strings.EqualFold(scheme, "sqlite"):
		return target{}, fmt.Errorf("it begins with %s:; a SQLite file is named by sqlite:PATH", scheme)
	case strings.HasPrefix(strings.ToLower(scheme), "postgres"):
		return target{}, fmt.Errorf("it begins with %s:; a PostgreSQL database is named by postgres://…", scheme)
	}
	return target{}, errURL
}

// checkPath tells slips that would make a file of a strange name.
func checkPath(path string) error {
	_, folder, _ := strings.Cut(path, "//")
	switch {
	case path == "":
		return errURL
	case strings.Contains(path, ":memory:") || strings.Contains(path, "mode=memory"):
		return errors.New("a database in memory would be gone with the process; " +
			"name a file, as in sqlite:canopy-data/canopy.db")
	case strings.HasPrefix(path, "///"):
		return fmt.Errorf("after sqlite: comes the path alone, as in sqlite:/%s", strings.TrimLeft(path, "/"))
	case strings.HasPrefix(path, "//"):
		return fmt.Errorf("after sqlite: comes the path alone, as in sqlite:%s or sqlite:/%s", folder, folder)
	case strings.Contains(path, "?"):
		return errors.New("sqlite:PATH takes no options after a ?")
	case strings.HasPrefix(path, "~"):
		return errors.New("~ is the shell's word; write the whole path")
	case strings.HasSuffix(path, "/"):
		return fmt.Errorf("that is a folder; name the file in it, as in sqlite:%scanopy.db", path)
	case path != strings.TrimSpace(path) || strings.ContainsRune(path, 0):
		return errors.New("the path after sqlite: begins or ends with a space, or holds a NUL")
	}
	return nil
}
