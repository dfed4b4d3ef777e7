package decide

import (
	"canopy.dev/canopy/internal/access/decide/persist"
	"canopy.dev/canopy/internal/foundation/id"
)

// A merger is a k-way merge: it gives the identities of several sorted lists in
// the order of their ids, each of them once. It reads no further into the lists
// than it is asked to.
type merger struct {
	sources []source // a binary heap: the source with the lowest id is the first
	ids     []id.ID  // one more sorted list
	after   id.ID    // ids up to this one are done
}

// A source is the members in one group of a tree of pairs, by id.
type source struct {
	s     *Snapshot
	at    persist.Cursor[pair]
	group uint32
	id    id.ID // of the member that at is at
}

// add adds the members in a group of t.
func (g *merger) add(s *Snapshot, t *persist.BTree[pair], group uint32) {
	src := source{s: s, group: group, at: s.membersFrom(t, group, g.after)}
	if src.read() {
		g.sources = append(g.sources, src)
		for i := len(g.sources) - 1; i > 0; {
			up := (i - 1) / 2
			if compareIDs(&g.sources[up].id, &g.sources[i].id) <= 0 {
				break
			}
			g.sources[up], g.sources[i] = g.sources[i], g.sources[up]
			i = up
		}
	}
}

func (src *source) read() bool {
	p, ok := src.at.Item()
	if !ok || p.group() != src.group {
		return false
	}
	src.id = src.s.members.at(p.item()).id
	return true
}

func (src *source) next() bool {
	src.at.Next()
	return src.read()
}

// next returns the next id. ok is false when there are no more.
func (g *merger) next() (u id.ID, ok bool) {
	for len(g.sources)+len(g.ids) > 0 {
		if len(g.sources) == 0 || len(g.ids) > 0 && compareIDs(&g.ids[0], &g.sources[0].id) <= 0 {
			u, g.ids = g.ids[0], g.ids[1:]
		} else {
			u = g.sources[0].id
			if !g.sources[0].next() {
				last := len(g.sources) - 1
				g.sources[0] = g.sources[last]
				g.sources = g.sources[:last]
			}
			g.siftDown()
		}
		if compareIDs(&u, &g.after) > 0 {
			g.after = u
			return u, true
		}
	}
	return zeroID, false
}

// siftDown moves the first source to its place in the heap.
func (g *merger) siftDown() {
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(g.sources); child++ {
			if compareIDs(&g.sources[child].id, &g.sources[least].id) < 0 {
				least = child
			}
		}
		if least == i {
			return
		}
		g.sources[i], g.sources[least] = g.sources[least], g.sources[i]
		i = least
	}
}
