package hierarchy_test

import (
	"runtime"
	"strconv"
	"testing"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// weigher knows what memory is held while a tree is told.
type weigher struct {
	told int
	most uint64
}

func (*weigher) Begin(string) (stop bool, err error) { return false, nil }

func (w *weigher) Enter(hierarchy.Node, hierarchy.Seen, bool) error {
	if w.told++; w.told%4000 == 0 {
		w.most = max(w.most, held())
	}
	return nil
}

func (*weigher) Leave(hierarchy.Node) error { return nil }

func held() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestWalkHoldsAPiece: what was told of a tree is not held, though the root is open to the
// end. It measures the process, so nothing runs beside it.
func TestWalkHoldsAPiece(t *testing.T) { //nolint:paralleltest // see above
	p := plant(t, dbtest.Open(t, database.SQLite, (&dbtest.Clock{}).Now), 30_000, func(i int) int { return (i - 1) / 30 },
		func(i int) string { return "Region " + strconv.Itoa(i) })
	before, w := held(), &weigher{}
	p.must(p.Walk(t.Context(), p.in, hierarchy.Walk{View: manager}, w))
	if w.told != 30_001 || w.most > before+4<<20 {
		t.Errorf("%d nodes, %d KB", w.told, (w.most-before)>>10)
	}
}
