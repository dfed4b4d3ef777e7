package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// uniqueIndexes maps what SQLite says of a broken unique index ("table.column,
// table.column") to the index's name, which Postgres says itself.
func (db *DB) uniqueIndexes() (map[string]string, error) {
	// The look-up outlives the call that needed it first.
	rows, err := db.read.QueryContext(context.Background(), `SELECT l.name, group_concat(t.name || '.' || i.name, ', ')
		FROM sqlite_master t JOIN pragma_index_list(t.name) l JOIN pragma_index_info(l.name) i
		WHERE t.type = 'table' AND l."unique" = 1 GROUP BY t.name, l.name`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	m := map[string]string{}
	for rows.Next() {
		var name, columns string
		if err := rows.Scan(&name, &columns); err != nil {
			return nil, err
		}
		if _, named := m[columns]; !named || !strings.HasPrefix(name, "sqlite_autoindex") {
			m[columns] = name
		}
	}
	return m, rows.Err()
}

// Broken reports whether err says that the unique index of that name was about
// to be broken. Races are decided this way, never by reading first.
func (db *DB) Broken(err error, index string) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "23505" && pg.ConstraintName == index
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		const says = "UNIQUE constraint failed: "
		_, columns, ok := strings.Cut(lite.Error(), says)
		if !ok {
			return false
		}
		columns, _, _ = strings.Cut(columns, " (")
		names, err := db.indexes()
		return err == nil && names[columns] == index
	}
	return false
}

// ErrSlow says that the store has not answered a call in time.
var ErrSlow = errors.New("the database has not answered in time")

// Unreachable reports whether err says that the store itself can't be used: no
// connection or no answer, and a store that is locked, read-only, or on a full or
// failing disk.
func Unreachable(err error) bool {
	if errors.Is(err, ErrSlow) {
		return true
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unreachableStates(pg.Code)
	}
	switch liteCode(err) {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN:
		return true
	}
	return lost(err)
}

// unreachableStates are the SQLSTATEs of a server that can't do its work now, as
// PostgreSQL's Appendix A has them.
func unreachableStates(code string) bool {
	switch code {
	case readOnly,
		"25P03", "25P04", // it ended our transaction, which took too long
		"53100", "53200", "53300", // disk, memory, connections
		"55P03", "57014", // a lock or a statement took too long
		"58030": // the disk fails
		return true
	}
	return strings.HasPrefix(code, "08") || strings.HasPrefix(code, "57P")
}

// lost reports whether err says that a connection died while it was used.
func lost(err error) bool {
	var broken *net.OpError
	return errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone)
}
