package ledger

import (
	"bytes"
	"cmp"
	"slices"

	"canopy.dev/canopy/internal/foundation/id"
)

// Row is an assignment. Its times are whole microseconds since 1970; the least and the
// greatest whole number are the open ends of a window.
type Row struct {
	ID, Identity, Node, Role id.ID
	From, To                 int64
	Created                  int64
}

// Person is an identity that has, or had, an assignment.
type Person struct {
	ID     id.ID
	Fold   string // the name, folded
	Search string // what lists look in, folded
	Counts bool   // the identity and its membership are active
}

// Index is all assignments of an Environment at one moment. It never changes.
type Index struct {
	pieces [][]entry // none is empty
	n      int
	known  *register
	people []Person // by number
	names  *names
}

// entry is an assignment as it is kept.
type entry struct {
	id              id.ID
	created         int64
	from, to        int64
	who, node, role uint32
}

// pieceLen is how many assignments lie in a piece, which an edit copies; there may be twice
// as many.
const pieceLen = 4096

// Len is how many assignments there are.
func (x *Index) Len() int { return x.n }

// Bytes is about how much memory the index takes.
func (x *Index) Bytes() int {
	const ofEntry, ofPerson, ofNode = 56, 200, 64
	people, nodes, _ := x.known.sizes()
	return 4096 + x.n*ofEntry + people*ofPerson + nodes*ofNode
}

// Waste is how many people and nodes are known for nothing any more, at most.
func (x *Index) Waste() int {
	people, nodes, _ := x.known.sizes()
	return people + nodes - 2*x.n
}

// Knows reports whether a person is known.
func (x *Index) Knows(who id.ID) bool {
	n, is := x.known.person(who)
	return is && int(n) < len(x.people)
}

// each calls yield with every entry, the oldest first, until it returns false.
func (x *Index) each(yield func(*entry) bool) {
	for _, piece := range x.pieces {
		for i := range piece {
			if !yield(&piece[i]) {
				return
			}
		}
	}
}

// back is each, the newest first.
func (x *Index) back(yield func(*entry) bool) {
	for _, piece := range slices.Backward(x.pieces) {
		for i := len(piece) - 1; i >= 0; i-- {
			if !yield(&piece[i]) {
				return
			}
		}
	}
}

// byAge is the order of entries.
func byAge(a, b entry) int { return older(&a, &b) }

func older(a, b *entry) int {
	return cmp.Or(cmp.Compare(a.created, b.created), bytes.Compare(a.id[:], b.id[:]))
}

// Builder makes the first index of an Environment. It belongs to one goroutine.
type Builder struct {
	known   *register
	entries []entry
	people  []Person
}

// NewBuilder begins with nothing.
func NewBuilder() *Builder { return &Builder{known: newRegister()} }

// Row adds an assignment, each once and in any order.
func (b *Builder) Row(r Row) { b.entries = append(b.entries, b.known.entry(&r)) }

// Person tells of somebody; who has no assignment is passed over.
func (b *Builder) Person(p Person) {
	n, is := b.known.person(p.ID)
	if !is {
		return
	}
	b.grow()
	b.people[n] = p
}

// Strangers are those who have an assignment and were not told of.
func (b *Builder) Strangers() (list []id.ID) {
	b.grow()
	for n, p := range b.people {
		if p.ID.IsZero() {
			list = append(list, b.known.people.ids[n])
		}
	}
	return list
}

func (b *Builder) grow() {
	if n := len(b.known.people.ids); n > len(b.people) {
		b.people = slices.Grow(b.people, n-len(b.people))[:n]
	}
}

// inOrder reports whether the entries lie by age already.
func (b *Builder) inOrder() bool {
	for i := 1; i < len(b.entries); i++ {
		if older(&b.entries[i-1], &b.entries[i]) > 0 {
			return false
		}
	}
	return true
}

// Build makes the index; the builder is empty afterwards. Who was not told of has no name,
// and does not count.
func (b *Builder) Build() *Index {
	for _, who := range b.Strangers() {
		b.Person(Person{ID: who})
	}
	if !b.inOrder() { // as a rule a store keeps them so
		slices.SortFunc(b.entries, byAge)
	}
	x := &Index{n: len(b.entries), known: b.known, people: b.people, names: &names{}}
	for piece := range slices.Chunk(b.entries, pieceLen) {
		x.pieces = append(x.pieces, slices.Clone(piece))
	}
	*b = Builder{}
	return x
}
