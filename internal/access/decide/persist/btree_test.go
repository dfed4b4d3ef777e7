package persist

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// items returns all items of a tree, read with a cursor.
func items(t *BTree[int]) []int {
	var list []int
	for c := t.First(); ; c.Next() {
		x, ok := c.Item()
		if p := c.Peek(); ok != (p != nil) || ok && *p != x {
			panic("Item and Peek differ")
		}
		if !ok {
			return list
		}
		list = append(list, x)
	}
}

func at(x int) Position[int] { return func(y int) int { return cmp.Compare(y, x) } }

// shapeProblem says what is wrong with the shape of a tree, or "".
func shapeProblem[E comparable](t *BTree[E]) string {
	if t.root == nil {
		if t.size != 0 {
			return fmt.Sprintf("no root, but size %d", t.size)
		}
		return ""
	}
	size := 0
	var check func(n *treeNode[E]) (height int, problem string)
	check = func(n *treeNode[E]) (int, string) {
		limit := maxItems
		if n.children != nil {
			limit = maxChildren
		}
		if len(n.items) == 0 || len(n.items) > limit {
			return 0, fmt.Sprintf("a node of %d items", len(n.items))
		}
		if n.children == nil {
			size += len(n.items)
			return 1, ""
		}
		if len(n.children) != len(n.items) {
			return 0, fmt.Sprintf("%d children and %d items", len(n.children), len(n.items))
		}
		height := 0
		for i, child := range n.children {
			h, problem := check(child)
			if problem != "" {
				return 0, problem
			}
			if height != 0 && h != height {
				return 0, "children of different heights"
			}
			if height = h; child.items[0] != n.items[i] {
				return 0, "an inner node does not have the first item of its child"
			}
		}
		return height + 1, ""
	}
	_, problem := check(t.root)
	if problem == "" && size != t.size {
		problem = fmt.Sprintf("%d items, but size %d", size, t.size)
	}
	return problem
}

func TestBTreeIsASortedSetWithVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tree BTree[int]
		model := map[int]bool{}
		if n := rapid.IntRange(0, 400).Draw(t, "items at first"); n > 0 {
			first := make([]int, n)
			for i := range first {
				first[i], model[3*i] = 3*i, true
			}
			tree = NewBTree(first)
		}
		type version struct {
			tree BTree[int]
			want []int
		}
		var versions []version
		for range rapid.IntRange(1, 12).Draw(t, "edits") {
			owner := &Owner{}
			// A run of neighbours fills or empties whole nodes.
			for range rapid.IntRange(1, 4).Draw(t, "runs") {
				from := rapid.IntRange(0, 1200).Draw(t, "from")
				put := rapid.Bool().Draw(t, "put")
				for x := range rapid.IntRange(1, 300).Draw(t, "length") {
					x += from
					if put {
						if added := tree.Put(owner, x, at(x)); added == model[x] {
							t.Fatalf("Put(%d) = %v", x, added)
						}
						model[x] = true
					} else {
						if deleted := tree.Delete(owner, at(x)); deleted != model[x] {
							t.Fatalf("Delete(%d) = %v", x, deleted)
						}
						delete(model, x)
					}
				}
			}
			owner.Release()
			if p := shapeProblem(&tree); p != "" {
				t.Fatal(p)
			}
			var want []int
			for x := range model {
				want = append(want, x)
			}
			slices.Sort(want)
			versions = append(versions, version{tree, want})
		}
		for i, v := range versions {
			if got := items(&v.tree); !slices.Equal(got, v.want) || v.tree.Len() != len(v.want) {
				t.Fatalf("version %d has %v, %d items, want %v", i, got, v.tree.Len(), v.want)
			}
		}
	})
}

// Long enough for three levels, and then down to an empty tree again.
func TestBTreeGrowsAndShrinks(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 1))
	order := rng.Perm(30_000)
	var tree BTree[int]
	for part := range slices.Chunk(order, 1000) {
		owner := &Owner{}
		for _, x := range part {
			tree.Put(owner, x, at(x))
		}
		owner.Release()
	}
	full := tree
	if tree.root.children == nil || tree.root.children[0].children == nil {
		t.Fatal("the tree has fewer than three levels")
	}
	rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	for part := range slices.Chunk(order, 1000) {
		owner := &Owner{}
		for _, x := range part {
			tree.Delete(owner, at(x))
		}
		owner.Release()
		if p := shapeProblem(&tree); p != "" {
			t.Fatalf("%d items are left: %s", tree.Len(), p)
		}
	}
	if tree.Len() != 0 || tree.root != nil || tree.Bytes() != 0 {
		t.Errorf("the tree should be empty, and has %d items and %d bytes", tree.Len(), tree.Bytes())
	}
	slices.Sort(order)
	if !slices.Equal(items(&full), order) {
		t.Error("the full version was changed by later edits")
	}
}

func TestBTreeSeeksPositionsWithoutAnItem(t *testing.T) {
	t.Parallel()
	var even []int
	for x := range 20_000 {
		even = append(even, 2*x)
	}
	tree := NewBTree(even)
	if p := shapeProblem(&tree); p != "" {
		t.Fatal(p)
	}
	for x := -1; x < 40_001; x += 7 {
		c := tree.Seek(at(x))
		got, ok := c.Item()
		want := max(0, (x+1)/2*2)
		if ok != (x <= 39_998) || ok && got != want {
			t.Fatalf("Seek(%d) is at %d, %v, want %d", x, got, ok, want)
		}
		if _, found := tree.Get(at(x)); found != (x >= 0 && x%2 == 0 && x < 40_000) {
			t.Fatalf("Get(%d) = %v", x, found)
		}
	}
}

func TestCursorCopiesMoveIndependently(t *testing.T) {
	t.Parallel()
	tree := NewBTree([]int{1, 2, 3})
	c := tree.First()
	d := c
	d.Next()
	if x, _ := c.Item(); x != 1 {
		t.Errorf("the cursor moved with its copy, to %d", x)
	}
	for range 5 {
		d.Next()
	}
	if _, ok := d.Item(); ok {
		t.Error("there is an item behind the last")
	}
}
