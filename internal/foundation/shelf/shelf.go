// Package shelf holds what took long to make, by key, within a number of bytes: what was used
// longest ago goes first. It knows nothing of what it holds, and does not make it.
package shelf

import "sync"

// Shelf holds pointers by key. The zero value is empty. It is safe for concurrent use.
type Shelf[K comparable, V any] struct {
	mu    sync.Mutex
	slots map[K]*slot[V]
	clock uint64 // counts uses
	bytes int
}

type slot[V any] struct {
	v     *V
	used  uint64
	bytes int // 0: not weighed yet
}

// Get gives what is held under a key, and counts as a use; nil for nothing.
func (s *Shelf[K, V]) Get(of K) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slots[of]; at != nil {
		s.use(at)
		return at.v
	}
	return nil
}

// Peek is Get that does not count as a use.
func (s *Shelf[K, V]) Peek(of K) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slots[of]; at != nil {
		return at.v
	}
	return nil
}

// GetOr is Get that holds what fresh makes where nothing is held. That stays until it has been
// weighed.
func (s *Shelf[K, V]) GetOr(of K, fresh func() *V) *V {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.slots[of]
	if at == nil {
		at = s.put(of, fresh())
	}
	s.use(at)
	return at.v
}

// Put holds v in place of what is held under the key. It stays until it has been weighed.
func (s *Shelf[K, V]) Put(of K, v *V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(of)
	s.use(s.put(of, v))
}

// Weigh says how many bytes v takes now, and lets go of what was used longest ago until all
// takes at most so many; v itself stays, whatever it takes. Where v is held no more it does
// nothing: whoever uses it has it. left is how many it let go of.
func (s *Shelf[K, V]) Weigh(of K, v *V, bytes, most int) (left int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.slots[of]
	if at == nil || at.v != v {
		return left
	}
	s.bytes += bytes - at.bytes
	at.bytes = bytes
	for s.bytes > most {
		oldest, found := of, false
		for key, other := range s.slots {
			if key != of && other.bytes > 0 && (!found || other.used < s.slots[oldest].used) {
				oldest, found = key, true
			}
		}
		if !found {
			return left
		}
		s.drop(oldest)
		left++
	}
	return left
}

// Held is how many things are held that have been weighed, and how many bytes they take.
func (s *Shelf[K, V]) Held() (n, bytes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, at := range s.slots {
		if at.bytes > 0 {
			n++
		}
	}
	return n, s.bytes
}

// Drop lets go of what is held under a key; with v, only if it is that.
func (s *Shelf[K, V]) Drop(of K, v *V) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at := s.slots[of]; at != nil && (v == nil || at.v == v) {
		s.drop(of)
	}
}

// All gives what is held now, in no order.
func (s *Shelf[K, V]) All() []*V {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*V, 0, len(s.slots))
	for _, at := range s.slots {
		list = append(list, at.v)
	}
	return list
}

func (s *Shelf[K, V]) use(at *slot[V]) {
	s.clock++
	at.used = s.clock
}

func (s *Shelf[K, V]) put(of K, v *V) *slot[V] {
	if s.slots == nil {
		s.slots = map[K]*slot[V]{}
	}
	at := &slot[V]{v: v}
	s.slots[of] = at
	return at
}

func (s *Shelf[K, V]) drop(of K) {
	if at := s.slots[of]; at != nil {
		s.bytes -= at.bytes
		delete(s.slots, of)
	}
}
