package database

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

func openPostgres(ctx context.Context, rawURL string, now func() time.Time) (*DB, error) {
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, errors.New("database URL is not a PostgreSQL connection string")
	}
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	if u, err := url.Parse(rawURL); err != nil || !u.Query().Has("pool_max_conns") {
		cfg.MaxConns = int32(4 * runtime.GOMAXPROCS(0)) //nolint:gosec // no machine has so many
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to PostgreSQL at %s: %w", cfg.ConnConfig.Host, err)
	}
	p := stdlib.OpenDBFromPool(pool)
	if err := p.PingContext(ctx); err != nil {
		_ = p.Close()
		pool.Close()
		// pgx tells one line for each address it tried; the first says it.
		first, _, _ := strings.Cut(strings.ReplaceAll(err.Error(), ":\n\t", ": "), "\n")
		return nil, fmt.Errorf("connect to PostgreSQL at %s:%d: %s", cfg.ConnConfig.Host, cfg.ConnConfig.Port, first)
	}
	return &DB{
		Engine: Postgres, now: now, read: p, write: p, pool: pool,
		indexes: func() (map[string]string, error) { return map[string]string{}, nil },
	}, nil
}
