package persist

// A Cursor is at an item of a BTree, or behind the last one. It is a value: a
// copy moves independently. It keeps showing the version of the tree it came
// from.
type Cursor[E any] struct {
	path  [maxHeight]step[E]
	depth int // steps in use; 0 behind the last item
}

// maxHeight is more than any tree reaches. To grow by one level, a node on every
// level must have been half full, so a tree of this height has seen more than
// 32^11 insertions.
const maxHeight = 12

type step[E any] struct {
	node *treeNode[E]
	i    int
}

// First returns a cursor at the first item of the tree.
func (t *BTree[E]) First() Cursor[E] {
	return t.Seek(func(E) int { return 1 })
}

// Seek returns a cursor at the first item that does not lie before the position.
func (t *BTree[E]) Seek(at Position[E]) Cursor[E] {
	var c Cursor[E]
	n := t.root
	if n == nil {
		return c
	}
	for n.children != nil {
		i := n.child(at)
		c.path[c.depth] = step[E]{n, i}
		c.depth++
		n = n.children[i]
	}
	c.path[c.depth] = step[E]{n, n.before(at)}
	c.depth++
	c.settle()
	return c
}

// Item returns the item the cursor is at. ok is false behind the last item.
func (c *Cursor[E]) Item() (item E, ok bool) {
	if c.depth == 0 {
		var none E
		return none, false
	}
	s := &c.path[c.depth-1]
	return s.node.items[s.i], true
}

// Peek returns a pointer to the item the cursor is at, to save a copy of it, or
// nil behind the last item. Do not write to it.
func (c *Cursor[E]) Peek() *E {
	if c.depth == 0 {
		return nil
	}
	s := &c.path[c.depth-1]
	return &s.node.items[s.i]
}

// Next moves the cursor to the next item. Behind the last item it does nothing.
func (c *Cursor[E]) Next() {
	if c.depth > 0 {
		c.path[c.depth-1].i++
		c.settle()
	}
}

// settle moves from the end of a leaf to the first item of the next leaf.
func (c *Cursor[E]) settle() {
	for c.depth > 0 && c.path[c.depth-1].i == len(c.path[c.depth-1].node.items) {
		c.depth--
		if c.depth > 0 {
			c.path[c.depth-1].i++
		}
	}
	if c.depth == 0 {
		return
	}
	for s := c.path[c.depth-1]; s.node.children != nil; s = c.path[c.depth-1] {
		c.path[c.depth] = step[E]{s.node.children[s.i], 0}
		c.depth++
	}
}
