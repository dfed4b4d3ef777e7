package shelf_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/shelf"
)

type thing struct{ name string }

func held(s *shelf.Shelf[string, thing], of ...string) string {
	var names strings.Builder
	for _, one := range of {
		if v := s.Peek(one); v != nil {
			names.WriteString(v.name)
		}
	}
	return names.String()
}

func TestWhatWasUsedLongestAgoGoesFirst(t *testing.T) {
	t.Parallel()
	var s shelf.Shelf[string, thing]
	for _, name := range []string{"a", "b", "c"} {
		s.Weigh(name, s.GetOr(name, func() *thing { return &thing{name} }), 10, 30)
	}
	s.Get("a") // used: b is the oldest now
	s.Peek("b")
	s.Weigh("d", s.GetOr("d", func() *thing { return &thing{"d"} }), 10, 30)
	if got := held(&s, "a", "b", "c", "d"); got != "acd" {
		t.Errorf("held are %s", got)
	}
	s.Weigh("c", s.Peek("c"), 25, 30) // it grew, and stays
	if got := held(&s, "a", "b", "c", "d"); got != "c" {
		t.Errorf("held are %s", got)
	}
	s.Weigh("c", s.Peek("c"), 99, 30)
	if got := held(&s, "c"); got != "c" {
		t.Error("what is in use went")
	}
}

func TestWhatIsNotWeighedStays(t *testing.T) {
	t.Parallel()
	var s shelf.Shelf[string, thing]
	s.GetOr("a", func() *thing { return &thing{"a"} })
	s.Weigh("b", s.GetOr("b", func() *thing { return &thing{"b"} }), 99, 30)
	if got := held(&s, "a", "b"); got != "ab" {
		t.Errorf("held are %s", got)
	}
}

func TestDropAndPut(t *testing.T) {
	t.Parallel()
	var s shelf.Shelf[string, thing]
	first, second := &thing{"1"}, &thing{"2"}
	s.Put("a", first)
	s.Weigh("a", first, 10, 30)
	s.Put("a", second)
	s.Weigh("a", first, 99, 30) // held no more
	s.Drop("a", first)
	if s.Get("a") != second {
		t.Error("the later one went with the first")
	}
	s.Drop("a", second)
	s.Drop("a", nil)
	if s.Get("a") != nil {
		t.Error("it is still held")
	}
	// What is gone takes no room.
	s.Weigh("b", s.GetOr("b", func() *thing { return &thing{"b"} }), 15, 30)
	s.Weigh("c", s.GetOr("c", func() *thing { return &thing{"c"} }), 15, 30)
	if got := held(&s, "b", "c"); got != "bc" {
		t.Errorf("held are %s", got)
	}
}
