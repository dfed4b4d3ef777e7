package persist

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// list is what the two kinds of vectors have in common.
type list interface {
	Len() uint32
	At(i uint32) *int
	Edit(o *Owner, i uint32) *int
	Append(o *Owner, item int) uint32
}

func contents(v list) []int {
	all := []int{}
	for i := range v.Len() {
		all = append(all, *v.At(i))
	}
	return all
}

// drawEdit changes v and model alike.
func drawEdit(t *rapid.T, owner *Owner, v list, model []int) []int {
	for range rapid.IntRange(1, 4).Draw(t, "changes") {
		if v.Len() > 0 && rapid.Bool().Draw(t, "set") {
			i := rapid.Uint32Range(0, v.Len()-1).Draw(t, "index")
			x := rapid.Int().Draw(t, "item")
			*v.Edit(owner, i), model[i] = x, x
			continue
		}
		for x := range rapid.IntRange(1, 40).Draw(t, "appended") {
			if i := v.Append(owner, x); int(i) != len(model) {
				t.Fatalf("appended at %d, want %d", i, len(model))
			}
			model = append(model, x)
		}
	}
	return model
}

// vectorAgainstModel edits v, whose items are zero, and keeps all versions.
func vectorAgainstModel[V any, P interface {
	*V
	list
}](t *rapid.T, v V) {
	type version struct {
		v    V
		want []int
	}
	model := make([]int, P(&v).Len())
	versions := []version{{v, slices.Clone(model)}}
	for range rapid.IntRange(1, 10).Draw(t, "edits") {
		owner := &Owner{}
		model = drawEdit(t, owner, P(&v), model)
		owner.Release()
		versions = append(versions, version{v, slices.Clone(model)})
	}
	for i := range versions {
		if got := contents(P(&versions[i].v)); !slices.Equal(got, versions[i].want) {
			t.Fatalf("version %d of %d has %v, want %v", i, len(versions), got, versions[i].want)
		}
	}
}

func TestVectorIsAListWithVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) { vectorAgainstModel(t, Vector[int, [16]int]{}) })
}

func TestOverlayVectorIsAListWithVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32Range(0, 100).Draw(t, "base items")
		vectorAgainstModel(t, NewOverlayVector[int, [16]int](n))
	})
}

// An exclusive owner fills the base array itself: nothing goes to the overlay.
func TestExclusiveOwnerFillsTheBaseArray(t *testing.T) {
	t.Parallel()
	v := NewOverlayVector[int, [16]int](100)
	before := v.Bytes()
	owner := NewExclusive()
	for i := range v.Len() {
		*v.Edit(owner, i) = int(i)
	}
	owner.Release()
	if after := v.Bytes(); after != before {
		t.Errorf("filling the vector made it grow from %d to %d bytes", before, after)
	}
	old, owner := v, &Owner{}
	*v.Edit(owner, 7) = -7
	owner.Release()
	if *old.At(7) != 7 || *v.At(7) != -7 {
		t.Errorf("item 7 was 7 and is -7, and not %d and %d", *old.At(7), *v.At(7))
	}
}

// More chunks than one node of the radix tree has.
func TestVectorGrowsBeyondOneNode(t *testing.T) {
	t.Parallel()
	const n = 3 * fanout * 16
	var v Vector[int, [16]int]
	for begin := 0; begin < n; begin += 1000 {
		owner := &Owner{}
		for x := begin; x < min(n, begin+1000); x++ {
			v.Append(owner, x)
		}
		owner.Release()
	}
	for i := range v.Len() {
		if *v.At(i) != int(i) {
			t.Fatalf("item %d is %d", i, *v.At(i))
		}
	}
	if v.Len() != n || len(v.chunks.root) != 3 {
		t.Errorf("%d items below %d nodes, want %d below 3", v.Len(), len(v.chunks.root), n)
	}
}

func TestAllocateReusesFreeIndexes(t *testing.T) {
	t.Parallel()
	owner := &Owner{}
	var v Vector[int, [16]int]
	var free FreeList
	for x := range 3 {
		v.Allocate(owner, &free, x)
	}
	free.Push(0)
	old := free
	free.Push(2)
	var got []uint32
	for range 3 {
		got = append(got, v.Allocate(owner, &free, 9))
	}
	if want := []uint32{2, 0, 3}; !slices.Equal(got, want) {
		t.Errorf("allocated %v, want %v", got, want)
	}
	if i, ok := old.Pop(); !ok || i != 0 {
		t.Errorf("the old version of the free list gives %d, %v, want 0", i, ok)
	}
	if _, ok := old.Pop(); ok {
		t.Error("the old version of the free list holds more than one index")
	}
}
