package database

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"modernc.org/sqlite"
)

// SQLite's driver compiles a statement again each time it runs, which costs as much
// as running it. A connection here keeps what it has compiled.

const (
	keptStatements = 256  // of a connection
	keptLength     = 4096 // of a statement; longer ones are migrations
)

type remembering struct{ driver.Connector }

func newRemembering(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return remembering{c}, nil
}

// liteDriverConn is what the driver's connections can do.
type liteDriverConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

type liteDriverStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// Connect implements driver.Connector.
func (r remembering) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	conn, ok := c.(liteDriverConn)
	if !ok {
		return nil, errors.Join(errors.New("database: SQLite's driver lacks a part"), c.Close())
	}
	return &liteConn{liteDriverConn: conn, kept: map[string]*statement{}}, nil
}

// liteConn is a connection that keeps its statements. Like every driver.Conn it has
// one user at a time.
type liteConn struct {
	liteDriverConn
	kept map[string]*statement
}

type statement struct {
	liteDriverStmt
	open bool // its rows are being read
}

// ExecContext implements driver.ExecerContext.
func (c *liteConn) ExecContext(
	ctx context.Context, query string, args []driver.NamedValue,
) (driver.Result, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.liteDriverConn.ExecContext(ctx, query, args)
	}
	return s.ExecContext(ctx, args)
}

// QueryContext implements driver.QueryerContext.
func (c *liteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s, err := c.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return c.liteDriverConn.QueryContext(ctx, query, args)
	}
	rows, err := s.QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	s.open = true
	return &liteRows{rows, s}, nil
}

// Close implements driver.Conn.
func (c *liteConn) Close() error {
	var err error
	for _, s := range c.kept {
		err = errors.Join(err, s.Close())
	}
	clear(c.kept)
	return errors.Join(err, c.liteDriverConn.Close())
}

// statement gives the compiled statement, or none where it is to be compiled for
// this once.
func (c *liteConn) statement(ctx context.Context, query string) (*statement, error) {
	if s, ok := c.kept[query]; ok {
		if s.open {
			return nil, nil //nolint:nilnil // none is an answer
		}
		return s, nil
	}
	if len(query) > keptLength || strings.HasPrefix(query, "PRAGMA") {
		return nil, nil //nolint:nilnil // as above
	}
	for text, s := range c.kept {
		if len(c.kept) < keptStatements {
			break
		}
		if !s.open {
			delete(c.kept, text)
			if err := s.Close(); err != nil {
				return nil, err
			}
		}
	}
	compiled, err := c.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s, ok := compiled.(liteDriverStmt)
	if !ok {
		return nil, errors.Join(errors.New("database: SQLite's driver lacks a part"), compiled.Close())
	}
	c.kept[query] = &statement{liteDriverStmt: s}
	return c.kept[query], nil
}

// liteRows lets go of its statement when it is closed.
type liteRows struct {
	driver.Rows
	of *statement
}

// Close implements driver.Rows.
func (r *liteRows) Close() error {
	r.of.open = false
	return r.Rows.Close()
}
