package persist

const (
	maxItems    = 128 // items of a leaf
	maxChildren = 64  // children of an inner node
)

// A BTree is a persistent sorted set: a B+ tree. Get, Put, Delete and Seek
// compare O(log n) items. Put and Delete copy the few nodes between the root and
// the item. The zero BTree is empty.
//
// A BTree has no order of its own. Every call brings a [Position]. So the order
// may depend on data that the items only refer to. All positions that are ever
// used with one tree must agree on the order of its items.
type BTree[E any] struct {
	root *treeNode[E]
	size int
}

// A Position is a place in the order of a tree, whether or not an item lies
// there. It returns a negative number for an item before the place, zero for the
// item at the place, and a positive number for an item behind it.
type Position[E any] func(item E) int

// A treeNode is either a leaf with items, or an inner node with children, where
// items[i] is a copy of the first item below children[i]. No node but the root is
// empty. Nodes with few items are not merged: they are removed once they are
// empty.
type treeNode[E any] struct {
	items    []E
	children []*treeNode[E]
}

// NewBTree returns a tree of items that are in order already. It takes O(n) time
// and keeps no reference to the slice.
func NewBTree[E any](items []E) BTree[E] {
	if len(items) == 0 {
		return BTree[E]{}
	}
	var level []*treeNode[E]
	for rest := items; len(rest) > 0; {
		n := min(len(rest), maxItems)
		level = append(level, &treeNode[E]{items: append(make([]E, 0, n), rest[:n]...)})
		rest = rest[n:]
	}
	for len(level) > 1 {
		var above []*treeNode[E]
		for len(level) > 0 {
			n := min(len(level), maxChildren)
			parent := &treeNode[E]{items: make([]E, n), children: append(make([]*treeNode[E], 0, n), level[:n]...)}
			for i, child := range parent.children {
				parent.items[i] = child.items[0]
			}
			above, level = append(above, parent), level[n:]
		}
		level = above
	}
	return BTree[E]{root: level[0], size: len(items)}
}

// Len returns the number of items.
func (t *BTree[E]) Len() int { return t.size }

// Get returns the item at the position. ok is false if there is none.
func (t *BTree[E]) Get(at Position[E]) (item E, ok bool) {
	var none E
	n := t.root
	if n == nil {
		return none, false
	}
	for n.children != nil {
		n = n.children[n.child(at)]
	}
	i := n.before(at)
	if i == len(n.items) || at(n.items[i]) != 0 {
		return none, false
	}
	return n.items[i], true
}

// Put stores item at its position. It reports whether there was no item there
// before.
func (t *BTree[E]) Put(o *Owner, item E, at Position[E]) (added bool) {
	if t.root == nil {
		t.root = &treeNode[E]{}
		o.own(t.root)
	}
	t.root = writableNode(o, t.root)
	added, right := t.root.put(o, item, at)
	if right != nil {
		root := &treeNode[E]{items: []E{t.root.items[0], right.items[0]}, children: []*treeNode[E]{t.root, right}}
		o.own(root)
		t.root = root
	}
	if added {
		t.size++
	}
	return added
}

// Delete removes the item at the position. It reports whether there was one.
func (t *BTree[E]) Delete(o *Owner, at Position[E]) (deleted bool) {
	if _, ok := t.Get(at); !ok {
		return false
	}
	t.root = writableNode(o, t.root)
	t.root.delete(o, at)
	t.size--
	for len(t.root.children) == 1 {
		t.root = t.root.children[0]
	}
	if len(t.root.items) == 0 {
		t.root = nil
	}
	return true
}

// Bytes returns how much memory the tree takes, without what its items point to.
func (t *BTree[E]) Bytes() int {
	if t.root == nil {
		return 0
	}
	return t.root.bytes()
}

func (n *treeNode[E]) bytes() int {
	sum := sizeOf[treeNode[E]]() + cap(n.items)*sizeOf[E]() + cap(n.children)*sizeOf[*treeNode[E]]()
	for _, child := range n.children {
		sum += child.bytes()
	}
	return sum
}

// before returns how many items of the node lie before the position.
func (n *treeNode[E]) before(at Position[E]) int {
	lo, hi := 0, len(n.items)
	for lo < hi {
		mid := (lo + hi) / 2
		if at(n.items[mid]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// child returns the index of the only child that can have an item at the
// position.
func (n *treeNode[E]) child(at Position[E]) int {
	i := n.before(at)
	if i == len(n.items) || i > 0 && at(n.items[i]) > 0 {
		i--
	}
	return i
}

// put stores the item below a node that o may change. If the node has become too
// long, its right half is split off and returned.
func (n *treeNode[E]) put(o *Owner, item E, at Position[E]) (added bool, right *treeNode[E]) {
	if n.children == nil {
		i := n.before(at)
		if i < len(n.items) && at(n.items[i]) == 0 {
			n.items[i] = item
			return false, nil
		}
		n.items = insert(n.items, i, item)
		return true, n.split(o, maxItems)
	}
	i := n.child(at)
	child := writableNode(o, n.children[i])
	n.children[i] = child
	added, right = child.put(o, item, at)
	n.items[i] = child.items[0]
	if right != nil {
		n.items = insert(n.items, i+1, right.items[0])
		n.children = insert(n.children, i+1, right)
	}
	return added, n.split(o, maxChildren)
}

func (n *treeNode[E]) split(o *Owner, limit int) (right *treeNode[E]) {
	if len(n.items) <= limit {
		return nil
	}
	half := len(n.items) / 2
	right = &treeNode[E]{items: append([]E(nil), n.items[half:]...)}
	n.items = append([]E(nil), n.items[:half]...)
	if n.children != nil {
		right.children = append([]*treeNode[E](nil), n.children[half:]...)
		n.children = append([]*treeNode[E](nil), n.children[:half]...)
	}
	o.own(right)
	return right
}

// delete removes an item that is known to lie below a node that o may change.
func (n *treeNode[E]) delete(o *Owner, at Position[E]) {
	if n.children == nil {
		n.items = remove(n.items, n.before(at))
		return
	}
	i := n.child(at)
	child := writableNode(o, n.children[i])
	child.delete(o, at)
	if len(child.items) == 0 {
		n.items, n.children = remove(n.items, i), remove(n.children, i)
		return
	}
	n.items[i], n.children[i] = child.items[0], child
}

// writableNode is writable for a node, whose slices must not be shared either.
func writableNode[E any](o *Owner, n *treeNode[E]) *treeNode[E] {
	if o.owns(n) {
		return n
	}
	n = writable(o, n)
	n.items = append(make([]E, 0, len(n.items)+1), n.items...)
	if n.children != nil {
		n.children = append(make([]*treeNode[E], 0, len(n.children)+1), n.children...)
	}
	return n
}

func insert[E any](list []E, i int, item E) []E {
	list = append(list, item)
	copy(list[i+1:], list[i:])
	list[i] = item
	return list
}

func remove[E any](list []E, i int) []E {
	var none E
	copy(list[i:], list[i+1:])
	list[len(list)-1] = none
	return list[:len(list)-1]
}
