package database_test

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
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
func TestFilesOfAStoreAreForItsUserAlone(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "data")
	path := filepath.Join(dir, "canopy.db")
	db, err := database.Open(ctx, "sqlite:"+path, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := errors.Join(db.Migrate(ctx), user(ctx, db, "u1", "a@x.test")); err != nil {
		t.Fatal(err)
	}
	copied, restored := filepath.Join(dir, "copy"), filepath.Join(dir, "restored", "canopy.db")
	if err := database.Copy(ctx, path, copied); err != nil {
		t.Fatal(err)
	}
	if err := database.Restore(ctx, copied, restored); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{path, path + "-wal", path + "-shm", path + ".lock", copied, restored} {
		if m := mode(t, file); m != 0o600 {
			t.Errorf("%s has %04o", file, m)
		}
	}
	for _, folder := range []string{dir, filepath.Dir(restored)} {
		if m := mode(t, folder); m != 0o700 {
			t.Errorf("%s has %04o", folder, m)
		}
	}
}

func TestLooseFilesAreTightenedAtStart(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, database.SQLite)
	path, _ := database.SQLitePath(address)
	files := []string{path, path + "-wal", path + "-shm", path + ".lock"}
	for _, file := range files {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	db, err := database.Open(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if w := db.Warnings(); len(w) != 0 {
		t.Errorf("%v", w)
	}
	for _, file := range files {
		if m := mode(t, file); m != 0o600 {
			t.Errorf("%s has %04o", file, m)
		}
	}
}

// TestOneProcessPerFile: by whatever path the second comes.
func TestOneProcessPerFile(t *testing.T) {
	t.Parallel()
	address := dbtest.URL(t, database.SQLite)
	path, _ := database.SQLitePath(address)
	first, err := database.Open(t.Context(), address, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	symbolic, hard := filepath.Join(t.TempDir(), "symbolic.db"), filepath.Join(filepath.Dir(path), "hard.db")
	if err := errors.Join(os.Symlink(path, symbolic), os.Link(path, hard)); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{path, symbolic, hard} {
		second, err := database.Open(t.Context(), "sqlite:"+other, time.Now)
		if !errors.Is(err, database.ErrInUse) || !strings.Contains(err.Error(), other) {
			t.Errorf("a second open of %s gives %v, %v", other, second, err)
		}
	}
	if err := user(t.Context(), first, "u1", "a@x.test"); err == nil {
		t.Error("there is a table")
	}
	if err := errors.Join(first.Migrate(t.Context()), first.Close(), os.Remove(hard)); err != nil {
		t.Fatal(err)
	}
	again, err := database.Open(t.Context(), "sqlite:"+symbolic, time.Now)
	if err != nil {
		t.Fatalf("after the first has closed: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// made is a file that statements have made.
func made(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.db")
	change(t, path, statements...)
	return path
}

func change(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, s := range statements {
		if _, err := db.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestRestoreTakesWhatBackupMadeOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db := dbtest.Open(t, database.SQLite, time.Now)
	if err := user(ctx, db, "u1", "a@x.test"); err != nil {
		t.Fatal(err)
	}
	copied := func(changes ...string) string {
		path := filepath.Join(t.TempDir(), "copy.db")
		if err := database.Copy(ctx, db.Path, path); err != nil {
			t.Fatal(err)
		}
		if len(changes) > 0 {
			change(t, path, changes...)
		}
		return path
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("a text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := copied()
	raw, err := os.ReadFile(damaged)
	if err != nil {
		t.Fatal(err)
	}
	for i := 8192; i < 40960; i++ {
		raw[i] = 0x5a
	}
	if err := os.WriteFile(damaged, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	for what, file := range map[string]string{
		"an empty file":       empty,
		"a text":              text,
		"a foreign database":  made(t, `CREATE TABLE notes (t TEXT)`),
		"another program's":   copied(`PRAGMA application_id = 7`),
		"no table at all":     made(t, `PRAGMA user_version = 1`),
		"a trigger":           copied(`CREATE TRIGGER x AFTER INSERT ON account BEGIN DELETE FROM account; END`),
		"a view":              copied(`CREATE VIEW x AS SELECT 1`),
		"a table more":        copied(`CREATE TABLE x (t TEXT)`),
		"an index less":       copied(`DROP INDEX outbox_due`),
		"a column more":       copied(`ALTER TABLE account ADD COLUMN x TEXT`),
		"a newer version":     copied(`INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)`),
		"a migration missing": copied(`DELETE FROM goose_db_version WHERE version_id = 1`),
		"damaged pages":       damaged,
		"a running server's":  db.Path,
		"a row whose account is missing": copied(`PRAGMA foreign_keys = OFF`,
			`INSERT INTO account_member (account_id, user_id, account_role, is_active, joined_at)
				VALUES ('nobody', 'u1', 'owner', 1, 0)`),
	} {
		to := filepath.Join(t.TempDir(), "data", "canopy.db")
		if err := database.Restore(ctx, file, to); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", what, err)
		}
		if left, err := os.ReadDir(filepath.Dir(to)); err != nil || len(left) != 0 {
			t.Errorf("%s leaves %v, %v", what, left, err)
		}
	}
	for what, file := range map[string]string{
		"a copy":                    copied(),
		"a copy of a first version": copied(`PRAGMA application_id = 0`),
		"one that was looked at":    copied(`ANALYZE`),
	} {
		restoredWell(ctx, t, what, file)
	}
}

func restoredWell(ctx context.Context, t *testing.T, what, file string) {
	t.Helper()
	to := filepath.Join(t.TempDir(), "data", "canopy.db")
	if err := database.Restore(ctx, file, to); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	db, err := database.Open(ctx, "sqlite:"+to, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(ctx); err != nil || count(t, db, "portal_user") != 1 {
		t.Errorf("%s: %d users, %v", what, count(t, db, "portal_user"), err)
	}
}

// TestCopiesOfEarlierVersionsComeBack: they are brought up to this one afterwards.
func TestCopiesOfEarlierVersionsComeBack(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	steps, err := dbtest.Open(t, database.SQLite, time.Now).Migrations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range steps {
		db := dbtest.Open(t, database.SQLite, time.Now)
		for _, version := range []int64{0, step.Version} {
			if err := db.MigrateTo(ctx, version); err != nil {
				t.Fatal(err)
			}
		}
		put := putUser
		if step.Version < 3 { // a run belonged to a person then
			put = strings.Replace(strings.Replace(put, "created_at)", "created_at, wrong_passwords)", 1), "$3)", "$3, 0)", 1)
		}
		dbtest.Exec(t, db, put, "u1", "a@x.test", time.Now(), nil)
		path := filepath.Join(t.TempDir(), "copy.db")
		if err := database.Copy(ctx, db.Path, path); err != nil {
			t.Fatal(err)
		}
		restoredWell(ctx, t, step.Name, path)
	}
}

func TestRestoreNeedsAnEmptyPlace(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	dir := t.TempDir()
	copied := filepath.Join(dir, "copy.db")
	if err := database.Copy(t.Context(), db.Path, copied); err != nil {
		t.Fatal(err)
	}
	for _, beside := range []string{"", "-wal", "-shm", "-journal", ".part"} {
		to := filepath.Join(t.TempDir(), "canopy.db")
		if err := os.WriteFile(to+beside, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		err := database.Restore(t.Context(), copied, to)
		raw, read := os.ReadFile(to + beside)
		if err == nil || read != nil || string(raw) != "mine" {
			t.Errorf("over %q: %v; it holds %q, %v", "canopy.db"+beside, err, raw, read)
		}
	}
}

func TestSlipsInAnAddressAreTold(t *testing.T) {
	t.Parallel()
	for address, says := range map[string]string{
		"sqlite::memory:":             "in memory",
		"sqlite:file::memory:":        "in memory",
		"sqlite:x.db?mode=memory":     "in memory",
		"sqlite://x.db":               "sqlite:x.db or sqlite:/x.db",
		"sqlite:///var/lib/x.db":      "sqlite:/var/lib/x.db",
		"sqlite:x.db?cache=shared":    "no options",
		"sqlite:~/x.db":               "the shell",
		"sqlite:data/":                "a folder",
		"sqlite: x.db":                "a space",
		"sqlite:x\x00.db":             "a NUL",
		"sqlite:":                     "must be sqlite:PATH or postgres",
		"SQLite:x.db":                 "sqlite:PATH",
		"sqlite3:x.db":                "sqlite:PATH",
		"file:x.db":                   "sqlite:PATH",
		"x.db":                        "must be sqlite:PATH or postgres",
		"postgres:canopy":             "comes //",
		"postgresql+psycopg2://h/x":   "postgres://",
		"Postgres://u:hunter2secret@": "postgres://",
	} {
		db, err := database.Open(t.Context(), address, time.Now)
		if err == nil {
			_ = db.Close()
			t.Errorf("%q opens", address)
			continue
		}
		if s := err.Error(); !strings.Contains(s, says) || strings.Contains(s, "\n") || strings.Contains(s, "hunter2") {
			t.Errorf("%q: %s", address, s)
		}
		if err := database.CheckURL(address); err == nil {
			t.Errorf("%q is no slip", address)
		}
	}
	_, err := database.Open(t.Context(), "sqlite:"+t.TempDir(), time.Now)
	if err == nil || !strings.Contains(err.Error(), "folder") {
		t.Errorf("a folder: %v", err)
	}
}

// TestHardLinksAreRefused: what was written last lies beside the other name.
func TestHardLinksAreRefused(t *testing.T) {
	t.Parallel()
	db := dbtest.Open(t, database.SQLite, time.Now)
	if err := user(t.Context(), db, "u1", "a@x.test"); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link.db")
	if err := os.Link(db.Path, link); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, db *database.DB, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("%s opens it", what)
			_ = db.Close()
			return
		}
		if !strings.Contains(err.Error(), "2 names (hard links)") {
			t.Errorf("%s: %v", what, err)
		}
	}
	looked, err := database.Look(t.Context(), "sqlite:"+link, time.Now)
	refused("looking", looked, err)
	beside, err := database.Beside(t.Context(), "sqlite:"+link, time.Now)
	refused("work beside a server", beside, err)
	refused("a copy", nil, database.Copy(t.Context(), link, filepath.Join(t.TempDir(), "copy.db")))
	symbolic := filepath.Join(t.TempDir(), "symbolic.db")
	if err := os.Symlink(db.Path, symbolic); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{db.Path, symbolic} { // a server has it open by that name
		beside, err := database.Beside(t.Context(), "sqlite:"+path, time.Now)
		if err != nil {
			t.Fatalf("by the right name: %v", err)
		}
		if err := beside.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(link + "-wal"); err == nil {
		t.Error("a second log lies beside the link")
	}
	alone, other := filepath.Join(t.TempDir(), "alone.db"), filepath.Join(t.TempDir(), "other.db")
	err = errors.Join(os.Remove(link), database.Copy(t.Context(), db.Path, alone), os.Link(alone, other))
	if err != nil {
		t.Fatal(err)
	}
	owned, err := database.Open(t.Context(), "sqlite:"+other, time.Now)
	refused("a server", owned, err)
	if err := os.Remove(alone); err != nil {
		t.Fatal(err)
	}
	owned, err = database.Open(t.Context(), "sqlite:"+other, time.Now)
	if err != nil {
		t.Fatalf("with one name again: %v", err)
	}
	if err := owned.Close(); err != nil {
		t.Error(err)
	}
}

// TestRestoreReadsFilesOnly: a pipe has no end, and a device fills the disk.
func TestRestoreReadsFilesOnly(t *testing.T) {
	t.Parallel()
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{pipe, "/dev/zero", t.TempDir()} {
		to := filepath.Join(t.TempDir(), "canopy.db")
		err := database.Restore(t.Context(), from, to)
		if err == nil || !strings.Contains(err.Error(), from+" is not a file") {
			t.Errorf("%s: %v", from, err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	db := dbtest.Open(t, database.SQLite, time.Now)
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := database.Copy(t.Context(), db.Path, copied); err != nil {
		t.Fatal(err)
	}
	err := database.Restore(stopped, copied, filepath.Join(t.TempDir(), "canopy.db"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a restore that was stopped: %v", err)
	}
}
