package persist

import (
	"sync"
	"testing"
)

// collection is one container of each kind, as a snapshot has them.
type collection struct {
	vector  Vector[int, [16]int]
	overlay OverlayVector[int, [16]int]
	tree    BTree[int]
	index   HashIndex
}

// multiply multiplies the items of the vectors by step, and takes everything that
// is not a multiple of step out of the tree and the index.
func (c *collection) multiply(owner *Owner, step int) {
	for i := range c.vector.Len() {
		*c.vector.Edit(owner, i) *= step
		*c.overlay.Edit(owner, i) *= step
		if x := int(i); x%step != 0 {
			c.tree.Delete(owner, at(x))
			c.index.Delete(owner, hashOf(i), i)
		}
	}
}

// For the race detector: goroutines edit copies of one version at the same time,
// while others read it.
func TestEditsOfOneVersionDoNotAffectEachOther(t *testing.T) {
	t.Parallel()
	const n = 3000
	owner := NewExclusive()
	first := collection{overlay: NewOverlayVector[int, [16]int](n)}
	for x := range n {
		first.vector.Append(owner, x)
		*first.overlay.Edit(owner, uint32(x)) = x
		first.tree.Put(owner, x, at(x))
		first.index.Insert(owner, hashOf(uint32(x)), uint32(x), hashOf)
	}
	owner.Release()

	check := func(c *collection, step int) {
		for i := range uint32(n) {
			if *c.vector.At(i) != int(i)*step || *c.overlay.At(i) != int(i)*step {
				t.Errorf("step %d: item %d is %d and %d", step, i, *c.vector.At(i), *c.overlay.At(i))
				return
			}
		}
		for i := range uint32(n) {
			_, found := c.index.Find(hashOf(i), func(number uint32) bool { return number == i })
			_, inTree := c.tree.Get(at(int(i)))
			if want := int(i)%step == 0; found != want || inTree != want {
				t.Errorf("step %d: %d is in the index: %v, in the tree: %v", step, i, found, inTree)
				return
			}
		}
		if p := shapeProblem(&c.tree); p != "" {
			t.Errorf("step %d: %s", step, p)
		}
	}
	var all sync.WaitGroup
	for step := 2; step < 6; step++ {
		all.Go(func() {
			next := first
			owner := &Owner{}
			next.multiply(owner, step)
			owner.Release()
			check(&next, step)
		})
		all.Go(func() { check(&first, 1) })
	}
	all.Wait()
	check(&first, 1)
}
