package persist

// An Owner stands for one edit. What the edit has made it may change in place.
// Everything else also belongs to older versions and is copied first.
//
// This is all that protects the readers of older versions from a writer, so
// every change in this package goes through writable.
//
// The zero Owner has made nothing yet. An Owner must not be copied, and must not
// be used by two goroutines at once.
type Owner struct {
	exclusive bool             // everything in reach was made by this edit
	pieces    map[any]struct{} // pointers to what this edit has made
}

// NewExclusive returns the Owner for containers that no other version shares,
// because they were empty when the edit began. It changes everything in place.
func NewExclusive() *Owner { return &Owner{exclusive: true} }

// Release ends the edit. The containers edited with o are immutable from here
// on. o must not be used again.
func (o *Owner) Release() {
	// The containers still point to o, so it should hold no garbage.
	o.exclusive, o.pieces = false, nil
}

// writable returns p if o has made it, else a copy that o has made now. The copy
// is shallow: slices in it are still shared.
func writable[T any](o *Owner, p *T) *T {
	if o.owns(p) {
		return p
	}
	q := new(T)
	*q = *p
	o.own(q)
	return q
}

func (o *Owner) own(piece any) {
	if o.exclusive {
		return
	}
	if o.pieces == nil {
		o.pieces = make(map[any]struct{}, 16)
	}
	o.pieces[piece] = struct{}{}
}

func (o *Owner) owns(piece any) bool {
	if o.exclusive {
		return true
	}
	_, ok := o.pieces[piece]
	return ok
}
