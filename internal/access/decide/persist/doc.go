// Package persist has the immutable containers that snapshots of package decide
// are made of. It knows nothing about identities, nodes or roles.
//
// "Persistent" has its textbook meaning here: a change makes a new version of a
// container, the old version stays as it was, and the two share whatever the
// change left alone.
//
//	version 1   root ──► node ──► chunk a
//	                └──► node ──► chunk b
//	                      ▲
//	version 2   root' ────┘
//	                └──► node' ─► chunk a'      the change was in chunk a
//
// # Which container
//
//   - [Vector] is a list that is read by index and grows at its end.
//   - [OverlayVector] is the same for lists whose first items are known when the
//     list is made. Reading one of those takes one step less.
//   - [BTree] is a sorted set that can be read from any position on.
//   - [HashIndex] finds the number that a key stands for. The keys themselves
//     are kept elsewhere, usually in a Vector.
//   - [Bitset] is a set of small numbers.
//   - [FreeList] remembers which indexes of a Vector can be used again.
//
// # Versions and edits
//
// Each container is a small struct, and a version of it is a copy of that
// struct. The zero value is an empty container. To change one, copy the struct,
// then call methods that take an [Owner]:
//
//	next := current                    // a struct copy: both are the same version
//	owner := new(persist.Owner)
//	next.Put(owner, item, position)    // copies what current also uses
//	next.Put(owner, other, position2)  // does not copy the same piece again
//	owner.Release()                    // from now on next never changes
//
// One Owner may edit any number of containers. It must not be used by two
// goroutines at once, nor after its Release.
//
// Methods that take no Owner only read, apart from those of Bitset and FreeList
// that say otherwise. Once the Owner has been released, any number of goroutines
// may read without a lock, also while other goroutines edit copies.
//
// Complexities are in the number n of items. For a Vector, "the path" to a chunk is
// two arrays of pointers: one of 128, and one that has a pointer for every 128
// chunks, which is 489 pointers for 4 million items in chunks of 64.
package persist
