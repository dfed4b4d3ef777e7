package decide

const (
	branchLen  = 128 // items of a branch at the bottom
	branchKids = 64  // branches under a branch
)

// A tree is a persistent sorted set of items, a B+ tree. A change copies the
// few branches between the root and the item. The zero tree is empty.
//
// A tree knows no order of its own. Every call brings a probe that says where
// an item lies, seen from the place that is meant: negative before it, zero at
// it, positive behind it. So the order may depend on what the items point to,
// and a place can be meant that has no item.
type tree[E any] struct {
	root *branch[E]
	size int
}

// A branch is either a bottom one, with items, or one with kids, where items[i]
// is a copy of the first item below kids[i]. No branch but the root is empty.
// Branches that get thin are not joined; they vanish when they are empty.
type branch[E any] struct {
	items []E
	kids  []*branch[E]
}

type probe[E any] func(item E) int

// first is how many items lie before the place.
func (b *branch[E]) first(at probe[E]) int {
	lo, hi := 0, len(b.items)
	for lo < hi {
		mid := (lo + hi) / 2
		if at(b.items[mid]) < 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// kid is the kid in which an item at the place is, if it is anywhere.
func (b *branch[E]) kid(at probe[E]) int {
	i := b.first(at)
	if i == len(b.items) || i > 0 && at(b.items[i]) > 0 {
		i--
	}
	return i
}

// get is the item at the place.
func (t *tree[E]) get(at probe[E]) (E, bool) {
	var none E
	b := t.root
	if b == nil {
		return none, false
	}
	for b.kids != nil {
		b = b.kids[b.kid(at)]
	}
	i := b.first(at)
	if i == len(b.items) || at(b.items[i]) != 0 {
		return none, false
	}
	return b.items[i], true
}

// put sets the item at the place and reports whether there was none before.
func (t *tree[E]) put(s *session, item E, at probe[E]) bool {
	if t.root == nil {
		t.root = &branch[E]{}
		s.own(t.root)
	}
	t.root = thaw(s, t.root)
	added, right := t.root.put(s, item, at)
	if right != nil {
		top := &branch[E]{items: []E{t.root.items[0], right.items[0]}, kids: []*branch[E]{t.root, right}}
		s.own(top)
		t.root = top
	}
	if added {
		t.size++
	}
	return added
}

// put sets the item in a branch that s may change. When the branch grows too
// long, its right half is returned.
func (b *branch[E]) put(s *session, item E, at probe[E]) (added bool, right *branch[E]) {
	if b.kids == nil {
		i := b.first(at)
		if i < len(b.items) && at(b.items[i]) == 0 {
			b.items[i] = item
			return false, nil
		}
		b.items = insert(b.items, i, item)
		return true, b.halve(s, branchLen)
	}
	i := b.kid(at)
	kid := thaw(s, b.kids[i])
	b.kids[i] = kid
	added, right = kid.put(s, item, at)
	b.items[i] = kid.items[0]
	if right != nil {
		b.items = insert(b.items, i+1, right.items[0])
		b.kids = insert(b.kids, i+1, right)
	}
	return added, b.halve(s, branchKids)
}

func (b *branch[E]) halve(s *session, limit int) *branch[E] {
	n := len(b.items)
	if n <= limit {
		return nil
	}
	half := n / 2
	right := &branch[E]{items: append([]E(nil), b.items[half:]...)}
	b.items = append([]E(nil), b.items[:half]...)
	if b.kids != nil {
		right.kids = append([]*branch[E](nil), b.kids[half:]...)
		b.kids = append([]*branch[E](nil), b.kids[:half]...)
	}
	s.own(right)
	return right
}

// drop takes the item at the place away and reports whether there was one.
func (t *tree[E]) drop(s *session, at probe[E]) bool {
	if _, ok := t.get(at); !ok {
		return false
	}
	t.root = thaw(s, t.root)
	t.root.drop(s, at)
	t.size--
	for len(t.root.kids) == 1 {
		t.root = t.root.kids[0]
	}
	if len(t.root.items) == 0 {
		t.root = nil
	}
	return true
}

// drop takes away an item that is there.
func (b *branch[E]) drop(s *session, at probe[E]) {
	if b.kids == nil {
		b.items = remove(b.items, b.first(at))
		return
	}
	i := b.kid(at)
	kid := thaw(s, b.kids[i])
	kid.drop(s, at)
	if len(kid.items) == 0 {
		b.items, b.kids = remove(b.items, i), remove(b.kids, i)
		return
	}
	b.items[i], b.kids[i] = kid.items[0], kid
}

// thaw is fresh for a branch: its slices are its own too.
func thaw[E any](s *session, b *branch[E]) *branch[E] {
	if s.owns(b) {
		return b
	}
	b = fresh(s, b)
	b.items = append(make([]E, 0, len(b.items)+1), b.items...)
	if b.kids != nil {
		b.kids = append(make([]*branch[E], 0, len(b.kids)+1), b.kids...)
	}
	return b
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

// plant makes a tree of items that are already in order. It keeps none of them.
func plant[E any](items []E) tree[E] {
	if len(items) == 0 {
		return tree[E]{}
	}
	var row []*branch[E]
	for rest := items; len(rest) > 0; {
		n := min(len(rest), branchLen)
		row = append(row, &branch[E]{items: append(make([]E, 0, n), rest[:n]...)})
		rest = rest[n:]
	}
	for len(row) > 1 {
		var above []*branch[E]
		for len(row) > 0 {
			n := min(len(row), branchKids)
			b := &branch[E]{items: make([]E, n), kids: append(make([]*branch[E], 0, n), row[:n]...)}
			for i, kid := range b.kids {
				b.items[i] = kid.items[0]
			}
			above, row = append(above, b), row[n:]
		}
		row = above
	}
	return tree[E]{root: row[0], size: len(items)}
}

// A cursor stands at an item of a tree, or behind the last. It is a value: a
// copy moves by itself.
type cursor[E any] struct {
	path  [maxHeight]step[E]
	depth int // steps in use; 0 behind the last item
}

// maxHeight is beyond any tree: to grow by one level, half of the kids of a
// branch on every level must have been filled, so a tree of this height has
// seen more than 32^11 insertions.
const maxHeight = 12

type step[E any] struct {
	at *branch[E]
	i  int
}

// seek stands at the first item that does not lie before the place.
func (t *tree[E]) seek(at probe[E]) cursor[E] {
	var c cursor[E]
	b := t.root
	if b == nil {
		return c
	}
	for b.kids != nil {
		i := b.kid(at)
		c.path[c.depth] = step[E]{b, i}
		c.depth++
		b = b.kids[i]
	}
	c.path[c.depth] = step[E]{b, b.first(at)}
	c.depth++
	c.settle()
	return c
}

// start stands at the first item of all.
func (t *tree[E]) start() cursor[E] {
	return t.seek(func(E) int { return 1 })
}

// item is where the cursor stands; false behind the last.
func (c *cursor[E]) item() (E, bool) {
	if c.depth == 0 {
		var none E
		return none, false
	}
	s := &c.path[c.depth-1]
	return s.at.items[s.i], true
}

// next goes on by one item.
func (c *cursor[E]) next() {
	if c.depth > 0 {
		c.path[c.depth-1].i++
		c.settle()
	}
}

// settle finds the item after the end of a bottom branch.
func (c *cursor[E]) settle() {
	for c.depth > 0 && c.path[c.depth-1].i == len(c.path[c.depth-1].at.items) {
		c.depth--
		if c.depth > 0 {
			c.path[c.depth-1].i++
		}
	}
	if c.depth == 0 {
		return
	}
	for s := c.path[c.depth-1]; s.at.kids != nil; s = c.path[c.depth-1] {
		c.path[c.depth] = step[E]{s.at.kids[s.i], 0}
		c.depth++
	}
}
