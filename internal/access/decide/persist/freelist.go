package persist

// A FreeList is a persistent stack of indexes that can be used again. Push and
// Pop take constant time and need no Owner: they only replace the head of a
// chain whose links never change. The zero FreeList is empty.
type FreeList struct {
	head *freeIndex
}

type freeIndex struct {
	index uint32
	next  *freeIndex
}

// Push adds an index.
func (f *FreeList) Push(index uint32) { f.head = &freeIndex{index, f.head} }

// Pop takes out the index that was pushed last. ok is false if there is none.
func (f *FreeList) Pop() (index uint32, ok bool) {
	if f.head == nil {
		return 0, false
	}
	index, f.head = f.head.index, f.head.next
	return index, true
}
