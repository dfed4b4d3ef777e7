package persist

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawSet(t *rapid.T, name string) (Bitset, map[uint32]bool) {
	var b Bitset
	model := map[uint32]bool{}
	for _, i := range rapid.SliceOfN(rapid.Uint32Range(0, 200), 0, 20).Draw(t, name) {
		b, model[i] = b.With(i), true
	}
	return b, model
}

func TestBitsetIsASet(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, inA := drawSet(t, "a")
		b, inB := drawSet(t, "b")
		x := rapid.Uint32Range(0, 200).Draw(t, "x")
		check := func(name string, got Bitset, want func(i uint32) bool) {
			var list []uint32
			for i := range uint32(300) {
				if got.Has(i) != want(i) {
					t.Fatalf("%s of %v and %v: has %d: %v", name, a, b, i, got.Has(i))
				}
				if want(i) {
					list = append(list, i)
				}
			}
			if all := slices.Collect(got.All()); !slices.Equal(all, list) {
				t.Fatalf("%s of %v and %v has %v, want %v", name, a, b, all, list)
			}
		}
		check("difference", a.Difference(b), func(i uint32) bool { return inA[i] && !inB[i] })
		check("without", a.Without(x), func(i uint32) bool { return inA[i] && i != x })
		check("a itself", a, func(i uint32) bool { return inA[i] })
		if same := a.Difference(b).Equal(nil) && b.Difference(a).Equal(nil); a.Equal(b) != same {
			t.Fatalf("%v equals %v: %v", a, b, !same)
		}
		check("union", slices.Clone(a).Union(b), func(i uint32) bool { return inA[i] || inB[i] })
	})
}
