package persist

const (
	fanoutBits = 7
	fanout     = 1 << fanoutBits // chunks below a node
)

// A radix is a radix tree from indexes to chunks, two levels high: the root
// selects a node by the high bits of the index, and the node a chunk by the low
// bits. Only the root grows with the number of chunks. To change one chunk, an
// edit copies the root, one node and the chunk.
type radix[C any] struct {
	root  []*radixNode[C]
	size  uint32 // chunks
	owner *Owner // made the slice root
}

type radixNode[C any] [fanout]*C

func (r *radix[C]) at(i uint32) *C {
	return r.root[i>>fanoutBits][i&(fanout-1)]
}

// edit returns chunk i, safe to change.
func (r *radix[C]) edit(o *Owner, i uint32) *C {
	n := r.node(o, i>>fanoutBits)
	c := writable(o, n[i&(fanout-1)])
	n[i&(fanout-1)] = c
	return c
}

// set makes a copy of chunk the chunk at i, and returns the copy.
func (r *radix[C]) set(o *Owner, i uint32, chunk C) *C {
	c := new(C)
	*c = chunk
	o.own(c)
	r.node(o, i>>fanoutBits)[i&(fanout-1)] = c
	return c
}

// grow adds a chunk of zero items.
func (r *radix[C]) grow(o *Owner) {
	r.ownRoot(o)
	if int(r.size>>fanoutBits) == len(r.root) {
		n := new(radixNode[C])
		o.own(n)
		r.root = append(r.root, n)
	}
	c := new(C)
	o.own(c)
	r.node(o, r.size>>fanoutBits)[r.size&(fanout-1)] = c
	r.size++
}

// node returns node i below the root, safe to change.
func (r *radix[C]) node(o *Owner, i uint32) *radixNode[C] {
	r.ownRoot(o)
	r.root[i] = writable(o, r.root[i])
	return r.root[i]
}

func (r *radix[C]) ownRoot(o *Owner) {
	if r.owner != o {
		r.root = append(make([]*radixNode[C], 0, len(r.root)+1), r.root...)
		r.owner = o
	}
}

// nodeBytes is the memory of everything but the chunks.
func (r *radix[C]) nodeBytes() int {
	return cap(r.root)*sizeOf[*radixNode[C]]() + len(r.root)*sizeOf[radixNode[C]]()
}
