package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"canopy.dev/canopy/internal/foundation/private"
)

// streamConns are for answers that are sent as they are read: a slow reader keeps one, and
// leaves the others enough.
const streamConns = 8

func openSQLite(ctx context.Context, path string, now func() time.Time) (*DB, error) {
	db := &DB{Engine: SQLite, Path: path, now: now, callTime: callTime}
	err := db.own(path)
	if err == nil {
		// One writer that begins its transactions at once: waiting happens in Go's
		// queue, which is fair, and not in SQLite's busy loop, which is not.
		db.write, err = openFile(ctx, path, 1, "&_txlock=immediate")
	}
	if err == nil {
		db.read, err = openFile(ctx, path, max(4, 2*runtime.GOMAXPROCS(0))+streamConns, "&_pragma=query_only(1)")
	}
	if err != nil {
		if !errors.Is(err, ErrInUse) {
			err = fmt.Errorf("open %s: %w", path, err)
		}
		_ = db.Close()
		return nil, err
	}
	db.indexes = sync.OnceValues(db.uniqueIndexes)
	return db, nil
}

// own makes the file, or keeps others from it, and locks it for this process. The
// -wal and -shm that SQLite makes beside it get the rights of the file itself.
func (db *DB) own(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("it is a folder; name the file in it")
	}
	if err := private.Folder(filepath.Dir(path)); err != nil {
		return err
	}
	lock, err := existing(path + ".lock")
	if err != nil {
		return err
	}
	db.locks = append(db.locks, lock)
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("%s: %w", path, ErrInUse)
	}
	file, err := existing(path)
	if err != nil {
		return err
	}
	db.locks = append(db.locks, file)
	if err := lockInode(file); errors.Is(err, ErrInUse) {
		return fmt.Errorf("%s: %w", path, err)
	} else if err != nil {
		db.warnings = append(db.warnings, fmt.Sprintf(
			"%s: this file system can't keep a second server from it that comes by a link: %v", path, err))
	}
	if err := oneName(path); err != nil {
		return err
	}
	for _, beside := range []string{"", "-wal", "-shm", ".lock"} {
		if err := private.Tighten(path + beside); err != nil {
			db.warnings = append(db.warnings, err.Error())
		}
	}
	return nil
}

// oneName refuses a file with hard links. What was written last lies beside the name that
// it was written by, and SQLite finds it by no other: it would read an old state, and lose
// the newer one (https://www.sqlite.org/howtocorrupt.html, section 2.5).
func oneName(path string) error {
	info, err := os.Stat(path)
	if err == nil && names(info) > 1 {
		err = fmt.Errorf("it has %d names (hard links); remove all but the one that the server uses", names(info))
	}
	return err
}

// rightName is oneName for who comes beside a server: the name by which a server has the
// file open is the right one, whatever others there are.
func rightName(path string) error {
	err := oneName(path)
	if err != nil && served(path) {
		return nil
	}
	return err
}

// served reports whether a server has the file open by this name, or by the one that it
// is a symbolic link to.
func served(path string) bool {
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	for _, name := range []string{path, resolved} {
		lock, err := os.Open(name + ".lock")
		if err != nil {
			continue
		}
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return true
		}
	}
	return false
}

// existing opens the file for reading and writing; one that isn't there is made.
func existing(path string) (*os.File, error) {
	f, err := private.File(path)
	if errors.Is(err, fs.ErrExist) {
		return os.OpenFile(path, os.O_RDWR, 0)
	}
	return f, err
}

func openFile(ctx context.Context, path string, conns int, query string) (*sql.DB, error) {
	u := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	u.RawQuery = "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)" +
		"&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-8000)" +
		"&_pragma=mmap_size(268435456)" + query
	connector, err := newRemembering(u.String())
	if err != nil {
		return nil, err
	}
	p := sql.OpenDB(connector)
	p.SetMaxOpenConns(conns)
	p.SetMaxIdleConns(conns)
	if err := p.PingContext(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// missingError is an fs.ErrNotExist in the operator's words.
type missingError struct{ path string }

func (e *missingError) Error() string {
	return e.path + " does not exist yet; canopy serve and canopy migrate up make it"
}

func (*missingError) Is(target error) bool { return target == fs.ErrNotExist }

func lookSQLite(ctx context.Context, path string, now func() time.Time) (*DB, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return nil, &missingError{path}
	}
	if err := rightName(path); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	p, err := openFile(ctx, path, 2, "&mode=rw&_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	db := &DB{Engine: SQLite, Path: path, now: now, callTime: callTime, read: p, write: p}
	db.indexes = sync.OnceValues(db.uniqueIndexes)
	return db, nil
}

// besideBusy is how long a write beside a server waits for the file: a busy server may
// leave it for a moment only, and has its turns one after the other.
const besideBusy = "&_pragma=busy_timeout(30000)"

func besideSQLite(ctx context.Context, path string, now func() time.Time) (*DB, error) {
	db, err := lookSQLite(ctx, path, now)
	if err != nil {
		return nil, err
	}
	db.write, err = openFile(ctx, path, 1, "&mode=rw&_txlock=immediate"+besideBusy)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open %s: %w", path, err), db.read.Close())
	}
	return db, nil
}
