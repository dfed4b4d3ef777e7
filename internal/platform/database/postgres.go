package database

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	// crowdedTime is how long a call waits while the server has no connection left.
	crowdedTime = 5 * time.Second
	pingTime    = 2 * time.Second // of a connection that has been idle
)

func openPostgres(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, errors.New("the database URL is no PostgreSQL connection string")
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	cfg.PingTimeout = pingTime
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8" // whatever the role's or the environment's is
	var given url.Values
	if u, err := url.Parse(rawURL); err == nil {
		given = u.Query()
	}
	if !given.Has("pool_max_conns") {
		// Few enough for five replicas on a server that allows a hundred.
		cfg.MaxConns = int32(min(16, max(8, 2*runtime.GOMAXPROCS(0))))
	}
	db := &DB{
		Engine: Postgres, now: now, callTime: callTime,
		indexes: func() (map[string]string, error) { return map[string]string{}, nil },
	}
	shared, err := db.connect(ctx, cfg)
	db.pooled = shared
	if err == nil && shared && !given.Has("default_query_exec_mode") {
		// A pooler gives each transaction another session, which knows nothing of
		// the statements that an earlier one has prepared.
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
		_ = db.Close()
		_, err = db.connect(ctx, cfg)
	}
	if err != nil {
		_ = db.Close()
		return nil, &openError{cfg.ConnConfig.Host, cfg.ConnConfig.Port, err}
	}
	return db, nil
}

// connect opens the pool and looks at the server behind it: whether it is fit, and
// whether a pooler stands between.
func (db *DB) connect(ctx context.Context, cfg *pgxpool.Config) (shared bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, db.callTime)
	defer cancel()
	if db.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return false, err
	}
	p := sql.OpenDB(patient{stdlib.GetPoolConnector(db.pool)})
	p.SetMaxIdleConns(0) // the pool keeps them
	db.read, db.write = p, p
	// A connection apart, so that a proof never waits behind what it is for. It is open
	// before it is wanted: a proof has little time.
	own := cfg.Copy()
	own.MaxConns, own.MinConns, own.MinIdleConns = 1, 1, 0
	if db.proofs, err = pgxpool.NewWithConfig(ctx, own); err != nil {
		return false, err
	}
	db.proof = sql.OpenDB(patient{stdlib.GetPoolConnector(db.proofs)})
	db.proof.SetMaxIdleConns(0)
	conn, err := p.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close() }() // only gives it back
	// The simple protocol, as it prepares nothing.
	var encoding string
	var pid uint32
	err = conn.QueryRowContext(ctx, "SELECT current_setting('server_encoding'), pg_backend_pid()",
		pgx.QueryExecModeSimpleProtocol).Scan(&encoding, &pid)
	if err != nil {
		return false, err
	}
	if encoding != "UTF8" {
		return false, fmt.Errorf("the database's encoding is %s, and Canopy needs UTF8: "+
			"CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	// A pooler greets with a number of its own.
	err = conn.Raw(func(c any) error {
		if raw, ok := c.(*stdlib.Conn); ok {
			shared = raw.Conn().PgConn().PID() != pid
		}
		return nil
	})
	return shared, err
}

// patient waits, within bounds, while the server has no connection left for us: that
// ends when one of ours or of another's is given back.
type patient struct{ driver.Connector }

// Connect implements driver.Connector.
func (p patient) Connect(ctx context.Context) (driver.Conn, error) {
	return patiently(ctx, p.Connector.Connect)
}

func patiently[T any](ctx context.Context, connect func(context.Context) (T, error)) (T, error) {
	end := time.NewTimer(crowdedTime)
	defer end.Stop()
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, 250*time.Millisecond) {
		conn, err := connect(ctx)
		if err == nil || !crowded(err) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return conn, err
		case <-end.C:
			return conn, err
		case <-time.After(pause):
		}
	}
}

// crowded reports whether a connection was refused for there being too many.
func crowded(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "53300" || strings.HasPrefix(pg.Message, "no more connections allowed")) // of PgBouncer
}

// heal looks at an error that ended a transaction. Connections that are as bad as
// the one it came from are not used again: broken ones after a restart, mute ones,
// and those that learnt at their start that the server only reads.
func (db *DB) heal(err error) {
	pg, told := errors.AsType[*pgconn.PgError](err)
	if told && pg.Code == readOnly || errors.Is(err, ErrSlow) || stale(err) {
		db.pool.Reset()
		db.proofs.Reset()
	}
}

// stale reports whether err says that a connection is over, and nothing of a new
// one: it broke, or the server has ended its session.
func stale(err error) bool {
	if _, refused := errors.AsType[*pgconn.ConnectError](err); refused {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(pg.Code, "57P") || strings.HasPrefix(pg.Code, "08")
	}
	return lost(err)
}

const readOnly = "25006" // read_only_sql_transaction

// openError says why PostgreSQL can't be opened, in one line without the password.
type openError struct {
	host  string
	port  uint16
	cause error
}

func (e *openError) Unwrap() error { return e.cause }

func (e *openError) Error() string {
	// pgx tells one line for each address it tried; the first says it.
	first, _, _ := strings.Cut(strings.ReplaceAll(e.cause.Error(), ":\n\t", ": "), "\n")
	return fmt.Sprintf("connect to PostgreSQL at %s:%d: %s", e.host, e.port, first)
}

// NotYet reports whether an error of Open says that the database may still be on
// its way up. A wrong password or name is none of that.
func NotYet(err error) bool {
	if _, ok := errors.AsType[*openError](err); !ok {
		return false
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return unreachableStates(pg.Code)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return false
	}
	if _, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return true
	}
	return lost(err) || errors.Is(err, context.DeadlineExceeded)
}
