package database

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"canopy.dev/canopy/internal/foundation/secret"
)

// Hints carry words to the other processes on a PostgreSQL database, so that they need not
// look for themselves so soon. They are sent after the commit of what they are about, by
// nobody who waits, and may be lost at any time: nothing may depend on one. In the
// transaction they would make all commits wait for each other's (NOTIFY holds one lock over
// the commit), and would fail it where the server's queue of them is full or there is none.
//
// On SQLite, and where nobody can listen, nothing comes. A Hints is safe for concurrent use.
type Hints struct {
	db   *DB
	log  *slog.Logger
	self string // begins what this process sends
	out  chan string
	in   chan string
}

const (
	// hintChannel is PostgreSQL's name for it.
	hintChannel = "canopy_hint"
	// mostHints are kept until they are sent or taken; of more some are lost.
	mostHints = 1024
	// hintsAtOnce are sent by one statement.
	hintsAtOnce = 128
	// hintPause is the longest pause before a connection is tried anew.
	hintPause = time.Minute
)

// NewHints makes Hints that Run has carry.
func NewHints(db *DB, log *slog.Logger) *Hints {
	return &Hints{db, log, secret.NewToken().Reveal()[:8], make(chan string, mostHints), make(chan string, mostHints)}
}

// Tell sends a word of at most a few hundred bytes to the other processes. It does not wait.
func (h *Hints) Tell(word string) {
	if h.db.pool == nil {
		return
	}
	select {
	case h.out <- word:
	default:
	}
}

// Come is where the words of others come.
func (h *Hints) Come() <-chan string { return h.in }

// Send sends what is told, until ctx ends or the server has shown that it knows no
// notifications.
func (h *Hints) Send(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case word := <-h.out:
			if err := h.send(ctx, word); err != nil && !stale(err) && ctx.Err() == nil {
				h.log.WarnContext(ctx, "changes are not announced to other processes, which find them by themselves",
					"error", err)
				return
			}
		}
	}
}

// send sends a word and what waits behind it.
func (h *Hints) send(ctx context.Context, word string) error {
	words := []string{h.self + ":" + word}
	for len(words) < hintsAtOnce && len(h.out) > 0 {
		words = append(words, h.self+":"+<-h.out)
	}
	ctx, cancel := context.WithTimeout(ctx, h.db.callTime)
	defer cancel()
	_, err := h.db.write.ExecContext(ctx, `SELECT pg_notify($1, word) FROM unnest(CAST($2 AS TEXT[])) AS word`,
		hintChannel, words)
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// Listen takes what others send, until ctx ends, on a connection of its own. Where that can't
// be had it says so once, and tries again now and then.
func (h *Hints) Listen(ctx context.Context) {
	if h.db.pool == nil {
		return
	}
	if h.db.pooled {
		h.log.InfoContext(ctx, "behind a pooler of transactions nobody hears of others' changes at once")
		return
	}
	said := false
	for pause := time.Second; ctx.Err() == nil; pause = min(2*pause, hintPause) {
		heard, err := h.listen(ctx)
		if heard {
			pause, said = time.Second, false
		}
		if ctx.Err() == nil && !said {
			h.log.WarnContext(ctx, "others' changes are not heard of at once for now", "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// listen takes what comes until the connection breaks; heard says that it did listen.
func (h *Hints) listen(ctx context.Context) (heard bool, err error) {
	limited, cancel := context.WithTimeout(ctx, h.db.callTime)
	defer cancel()
	conn, err := pgx.ConnectConfig(limited, h.db.pool.Config().ConnConfig.Copy())
	if err != nil {
		return false, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(limited)) }()
	if _, err := conn.Exec(limited, "LISTEN "+hintChannel); err != nil {
		return false, err
	}
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		by, word, is := strings.Cut(n.Payload, ":")
		if !is || by == h.self {
			continue // it is our own
		}
		select {
		case h.in <- word:
		default:
		}
	}
}
