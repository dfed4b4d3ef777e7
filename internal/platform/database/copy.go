package database

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pressly/goose/v3"

	"canopy.dev/canopy/internal/foundation/private"
)

// backupID is the application_id of a copy that Copy made; those of the first
// versions have none.
const backupID = 0x43414e50 // "CANP"

// Copy writes a consistent copy of the SQLite file at from to the path to, which
// must not exist, also while a server is using it (VACUUM INTO reads one
// snapshot). A copy that was not finished is not there.
func Copy(ctx context.Context, from, to string) error {
	if _, err := os.Stat(from); err != nil {
		return err
	}
	if err := rightName(from); err != nil {
		return fmt.Errorf("open %s: %w", from, err)
	}
	return whole(to, func(made *os.File) error {
		db, err := openCopy(from, "ro")
		if err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, "VACUUM INTO $1", made.Name())
		if err := errors.Join(err, db.Close()); err != nil {
			return fmt.Errorf("write %s: %w", to, err)
		}
		if db, err = openCopy(made.Name(), "rw"); err != nil {
			return err
		}
		_, err = db.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", backupID))
		return errors.Join(err, db.Close())
	})
}

// Restore brings back to the path to, where nothing may be, what Copy of this or an
// earlier version wrote to from. Anything else is refused and leaves nothing.
func Restore(ctx context.Context, from, to string) error {
	for _, beside := range []string{"", "-wal", "-shm", "-journal"} {
		if _, err := os.Lstat(to + beside); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s exists already; a copy is restored into an empty place only", to+beside)
		}
	}
	// Asked before it is opened: to open a pipe would wait for its writer.
	info, err := os.Stat(from)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a file", from)
	}
	if err != nil {
		return err
	}
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if err := private.Folder(filepath.Dir(to)); err != nil {
		return err
	}
	return whole(to, func(made *os.File) error {
		if err := startsAsOne(source); err != nil {
			return fmt.Errorf("%s is not a copy that canopy backup made: %w", from, err)
		}
		if _, err := io.Copy(made, &until{ctx, source}); err != nil {
			return err
		}
		if err := checkCopy(ctx, made); err != nil {
			return fmt.Errorf("%s is not a copy that canopy backup made: %w", from, err)
		}
		return nil
	})
}

// startsAsOne looks whether a file begins as SQLite's do, before all of it is copied.
func startsAsOne(f io.ReaderAt) error {
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if _, err := f.ReadAt(head, 0); err != nil || string(head) != magic {
		return errors.New("it is no database")
	}
	return nil
}

// until is a reader that ends with its context.
type until struct {
	ctx  context.Context //nolint:containedctx // it lives as long as one copying
	from io.Reader
}

func (u *until) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.from.Read(p)
}

// whole makes the file at path by way of another one beside it, so that it is
// there, complete and on the disk, or not at all.
func whole(path string, write func(*os.File) error) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists already", path)
	}
	made, err := private.File(path + ".part")
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s.part exists: another copy is being made, or one was cut off; remove it then", path)
	}
	if err != nil {
		return err
	}
	err = write(made)
	if err == nil {
		err = made.Sync()
	}
	err = errors.Join(err, made.Close())
	if err == nil {
		err = os.Link(made.Name(), path) // unlike a renaming it overwrites nothing
		if errors.Is(err, fs.ErrExist) {
			err = fmt.Errorf("%s exists already", path)
		} else if err != nil { // a file system without hard links
			return os.Rename(made.Name(), path)
		}
	}
	err = errors.Join(err, os.Remove(made.Name()))
	_ = os.Remove(made.Name() + "-journal")
	if folder, opened := os.Open(filepath.Dir(path)); opened == nil {
		_ = folder.Sync() // not every file system has it
		_ = folder.Close()
	}
	return err
}

func openCopy(path, mode string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+(&url.URL{Path: path}).EscapedPath()+
		"?mode="+mode+"&_pragma=busy_timeout(10000)&_pragma=trusted_schema(0)&_pragma=cell_size_check(1)")
	if err == nil {
		db.SetMaxOpenConns(1)
	}
	return db, err
}

// checkCopy looks whether f is what Copy makes of a store of ours: a whole SQLite
// file at rest, with the very schema that the migrations up to one of ours make.
func checkCopy(ctx context.Context, f *os.File) error {
	head := make([]byte, 100)
	if n, err := f.ReadAt(head, 0); n == 0 && errors.Is(err, io.EOF) {
		return errors.New("it is empty")
	}
	if !bytes.HasPrefix(head, []byte("SQLite format 3\x00")) {
		return errors.New("it is no SQLite file")
	}
	if head[18] != 1 || head[19] != 1 {
		return errors.New("it is the file of a running or stopped server, whose last changes may lie beside it")
	}
	db, err := openCopy(f.Name(), "ro")
	if err != nil {
		return err
	}
	defer db.Close()
	var id int64
	if err := db.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id != 0 && id != backupID {
		return errors.New("it belongs to another program")
	}
	var stranger string
	err = db.QueryRowContext(ctx,
		"SELECT type || ' ' || name FROM sqlite_schema WHERE type NOT IN ('table', 'index')").Scan(&stranger)
	if err == nil {
		return fmt.Errorf("canopy makes no %s", stranger)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	version, err := copiedVersion(ctx, db)
	if err != nil {
		return err
	}
	if err := sameSchema(ctx, db, version); err != nil {
		return err
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&verdict); err != nil || verdict != "ok" {
		return errors.Join(fmt.Errorf("it is damaged: %s", strings.Join(strings.Fields(verdict), " ")), err)
	}
	err = db.QueryRowContext(ctx, "SELECT \"table\" FROM pragma_foreign_key_check").Scan(&verdict)
	if err == nil {
		return fmt.Errorf("table %s refers to rows that aren't there", verdict)
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	return nil
}

// copiedVersion is the newest migration of a copy, which has all before it.
func copiedVersion(ctx context.Context, db *sql.DB) (int64, error) {
	applied, err := appliedVersions(ctx, db, SQLite)
	if err != nil {
		return 0, err
	}
	if len(applied) == 0 {
		return 0, errors.New("it holds no database of canopy")
	}
	known, err := knownMigrations(SQLite)
	if err != nil {
		return 0, err
	}
	newest := slices.Max(applied)
	if err := refuseNewer(newest, known); err != nil {
		return 0, err
	}
	for _, m := range known {
		if m.Version <= newest != slices.Contains(applied, m.Version) {
			return 0, fmt.Errorf("migration %d is missing", m.Version)
		}
	}
	return newest, nil
}

// sameSchema compares a copy's schema with the one that the migrations make.
func sameSchema(ctx context.Context, db *sql.DB, version int64) error {
	ours, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		return err
	}
	defer ours.Close()
	ours.SetMaxOpenConns(1) // another connection is another database
	dir, err := fs.Sub(migrations, "migrations/"+string(SQLite))
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, ours, dir)
	if err != nil {
		return err
	}
	if _, err := p.UpTo(ctx, version); err != nil {
		return err
	}
	want, err := schemaOf(ctx, ours)
	if err != nil {
		return err
	}
	have, err := schemaOf(ctx, db)
	if err != nil {
		return err
	}
	for name, text := range have {
		if want[name] != text {
			return fmt.Errorf("its %s is not the one of canopy", name)
		}
	}
	for name := range want {
		if _, ok := have[name]; !ok {
			return fmt.Errorf("its %s is missing", name)
		}
	}
	return nil
}

// schemaOf maps the kind and name of all that a file holds to its text. What SQLite
// and goose make for themselves doesn't count.
func schemaOf(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, `SELECT type || ' ' || name, tbl_name, COALESCE(sql, '') FROM sqlite_schema
		WHERE NOT (type IN ('table', 'index') AND (name LIKE 'sqlite\_%' ESCAPE '\' OR name = 'goose_db_version'))`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, table, text string
		if err := rows.Scan(&name, &table, &text); err != nil {
			return nil, err
		}
		all[name] = table + ": " + strings.Join(strings.Fields(text), " ")
	}
	return all, rows.Err()
}
