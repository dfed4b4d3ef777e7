package decide

// A session is the making of one snapshot. What a session has made it may
// change; everything else belongs to older snapshots and is copied first. This
// is the only thing that stands between a writer and the readers of older
// snapshots, so every change in this package goes through fresh.
type session struct {
	all  bool             // everything in reach was made here: a build
	made map[any]struct{} // the pieces made here
}

// end forgets what was made, so that nothing of the snapshot can be changed
// again and the snapshot holds no garbage.
func (s *session) end() {
	s.all, s.made = false, nil
}

// fresh is p itself when the session made it, else a copy that it has made now.
// The copy is shallow: slices in it are still shared.
func fresh[T any](s *session, p *T) *T {
	if s.owns(p) {
		return p
	}
	q := new(T)
	*q = *p
	s.own(q)
	return q
}

func (s *session) own(piece any) {
	if s.all {
		return
	}
	if s.made == nil {
		s.made = make(map[any]struct{}, 16)
	}
	s.made[piece] = struct{}{}
}

func (s *session) owns(piece any) bool {
	if s.all {
		return true
	}
	_, ok := s.made[piece]
	return ok
}
