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

// Unreachable reports whether err says that the store itself can't be used: no
// connection, and for SQLite a file that is locked, read-only, or on a full or
// failing disk.
func Unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var pg *pgconn.PgError
	var lite *sqlite.Error
	switch {
	case errors.As(err, &connect):
		return true
	case errors.As(err, &lite):
		switch lite.Code() & 0xff { // the primary result code
		case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
			sqlite3.SQLITE_CANTOPEN:
			return true
		}
	case errors.As(err, &pg):
		return strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P") || pg.Code == "53300"
	}
	var broken *net.OpError // a connection that died while it was used
	return errors.As(err, &broken) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, sql.ErrConnDone)
}
