package decide

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"

	"canopy.dev/canopy/internal/foundation/id"
)

// list is all items of a tree, by its cursor.
func list(t *tree[int]) []int {
	var items []int
	for c := t.start(); ; c.next() {
		x, ok := c.item()
		if !ok {
			return items
		}
		items = append(items, x)
	}
}

func at(x int) probe[int] { return func(y int) int { return cmp.Compare(y, x) } }

func TestTreeIsASortedSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var now tree[int]
	want := map[int]bool{}
	type past struct {
		t    tree[int]
		want []int
	}
	var history []past
	// Grow far enough for three levels, then shrink to nothing.
	for round := range 60 {
		s := &session{}
		for range 1000 {
			x := rng.IntN(30_000)
			if grow := round < 40; grow == (rng.IntN(5) > 0) {
				if added := now.put(s, x, at(x)); added == want[x] {
					t.Fatalf("put(%d) = %v", x, added)
				}
				want[x] = true
			} else {
				if dropped := now.drop(s, at(x)); dropped != want[x] {
					t.Fatalf("drop(%d) = %v", x, dropped)
				}
				delete(want, x)
			}
		}
		if round >= 50 {
			for x := range want {
				if len(want) > (59-round)*100 {
					now.drop(s, at(x))
					delete(want, x)
				}
			}
		}
		s.end()
		var sorted []int
		for x := range want {
			sorted = append(sorted, x)
		}
		slices.Sort(sorted)
		history = append(history, past{now, sorted})
		if p := checkTree(&now); p != "" {
			t.Fatalf("round %d: %s", round, p)
		}
	}
	for round, p := range history {
		if got := list(&p.t); !slices.Equal(got, p.want) || p.t.size != len(p.want) {
			t.Fatalf("round %d: %d items of %d, want %d", round, len(got), p.t.size, len(p.want))
		}
	}
	if now.size != 0 || now.root != nil {
		t.Errorf("%d items are left of none", now.size)
	}
}

func TestTreeSeeksPlacesWithoutAnItem(t *testing.T) {
	var even []int
	for x := range 20_000 {
		even = append(even, 2*x)
	}
	tr := plant(even)
	if p := checkTree(&tr); p != "" {
		t.Fatal(p)
	}
	for x := -1; x < 40_001; x += 7 {
		c := tr.seek(at(x))
		got, ok := c.item()
		want := max(0, (x+1)/2*2)
		if ok != (x <= 39_998) || ok && got != want {
			t.Fatalf("seek(%d) = %d, %v, want %d", x, got, ok, want)
		}
		if _, found := tr.get(at(x)); found != (x >= 0 && x%2 == 0 && x < 40_000) {
			t.Fatalf("get(%d) = %v", x, found)
		}
	}
}

func TestIndexFindsWhatIsInIt(t *testing.T) {
	// Hashes of a few bits, so that buckets overflow and tags agree.
	for _, mask := range []uint64{0, 0xff00000000000003, ^uint64(0)} {
		ids := table[id.ID, [32]id.ID]{}
		hash := func(n uint32) uint64 { return hashID(*ids.at(n)) & mask }
		find := func(x *index, u id.ID) (uint32, bool) {
			return x.find(hashID(u)&mask, func(n uint32) bool { return *ids.at(n) == u })
		}
		const size = 600
		var x index
		var history []index
		for n := range uint32(size) {
			s := &session{}
			ids.add(s, id.ID{byte(n >> 8), byte(n), 7})
			x.put(s, hash(n), n, hash)
			s.end()
			history = append(history, x)
		}
		for n := range uint32(size) {
			s := &session{}
			x.drop(s, hash(n), n)
			s.end()
			for m := range uint32(size) {
				if got, ok := find(&x, *ids.at(m)); ok != (m > n) || ok && got != m {
					t.Fatalf("mask %x, %d dropped: %d is found as %d, %v", mask, n, m, got, ok)
				}
			}
		}
		for then := range history {
			for m := range uint32(size) {
				if _, ok := find(&history[then], *ids.at(m)); ok != (int(m) <= then) {
					t.Fatalf("mask %x: of the index of %d keys, %d is found: %v", mask, then+1, m, ok)
				}
			}
		}
	}
}

func TestZeroBytesAreFound(t *testing.T) {
	for i := range 8 {
		if got := zeroBytes(^(uint64(0xff) << (8 * i))); got != 1<<i {
			t.Errorf("zero byte %d gives %08b", i, got)
		}
	}
	if got := zeroBytes(0); got != 0xff {
		t.Errorf("zero gives %08b", got)
	}
}
