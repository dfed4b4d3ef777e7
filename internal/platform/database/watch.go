package database

import (
	"strings"
	"sync"
	"sync/atomic"
)

// writes counts, for each table, the transactions that may have changed it. It is for
// SQLite, where this process is the only one that writes.
type writes struct {
	mu     sync.Mutex
	counts map[string]*atomic.Uint64
}

// Watch tells when tables may have changed, so that what was read of them can be kept in
// memory until then. It is safe for concurrent use.
type Watch struct{ counts []*atomic.Uint64 }

// Watch gives the watch over some tables; none on PostgreSQL, where other processes write
// too. Tables that these are deleted along with (ON DELETE CASCADE) have to be named.
func (db *DB) Watch(tables ...string) *Watch {
	if db.Engine != SQLite {
		return nil
	}
	w := &Watch{[]*atomic.Uint64{db.writes.of(unknownTable)}}
	for _, table := range tables {
		w.counts = append(w.counts, db.writes.of(table))
	}
	return w
}

// Version grows with each transaction that may have changed one of the tables: after its
// commit, and before its call returns. What is read after a Version was asked for is good
// for as long as Version gives the same.
func (w *Watch) Version() (sum uint64) {
	for _, n := range w.counts {
		sum += n.Load()
	}
	return sum
}

func (ws *writes) of(table string) *atomic.Uint64 {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.counts == nil {
		ws.counts = map[string]*atomic.Uint64{}
	}
	n := ws.counts[table]
	if n == nil {
		n = &atomic.Uint64{}
		ws.counts[table] = n
	}
	return n
}

// changed notes what a statement of the transaction may have written.
func (tx *Tx) changed(query string) {
	if tx.group == nil {
		return
	}
	if table := written(query); table != "" {
		tx.wrote = append(tx.wrote, tx.DB.writes.of(table))
	}
}

// unknownTable stands for any: every Watch has it.
const unknownTable = "*"

// written is the table that a statement writes, "" where it only reads.
func written(query string) string {
	words := strings.Fields(query[:min(len(query), 120)])
	at := func(i int) string {
		if i >= len(words) {
			return unknownTable
		}
		name, _, _ := strings.Cut(words[i], "(")
		return name
	}
	switch strings.ToUpper(at(0)) {
	case "SELECT", "VALUES":
		return ""
	case "UPDATE":
		return at(1)
	case "INSERT", "DELETE":
		return at(2)
	}
	return unknownTable
}
