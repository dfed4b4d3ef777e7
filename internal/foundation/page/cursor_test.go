package page_test

import (
	"bytes"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/foundation/page"
)

func TestCursorsComeBackToTheirQuestion(t *testing.T) {
	t.Parallel()
	q := page.Ask("nodes", "env", "ann")
	for _, place := range [][]byte{{0}, []byte("lease.read"), bytes.Repeat([]byte{255}, 256)} {
		cursor := q.Cursor(place)
		if len(cursor) > page.MaxCursor {
			t.Errorf("%d characters, more than %d", len(cursor), page.MaxCursor)
		}
		if got, is := page.Ask("nodes", "env", "ann").Place(cursor); !is || !bytes.Equal(got, place) {
			t.Errorf("%v comes back as %v, %v", place, got, is)
		}
	}
	if got := q.Cursor(nil); got != "" {
		t.Errorf("without a place: %q", got)
	}
}

// Words are told apart by their lengths, so that no two questions run together.
func TestCursorsAreOfOneQuestion(t *testing.T) {
	t.Parallel()
	q := page.Ask("nodes", "env", "ann")
	cursor := q.Cursor([]byte("here"))
	for _, other := range []page.Asked{
		page.Ask("nodes", "env", "ben"), page.Ask("nodes", "other", "ann"), page.Ask("nodesenv", "ann"),
		page.Ask("nodes", "env", "ann", ""), page.Ask("nodes", "enva", "nn"), page.Ask(),
		{},
	} {
		if place, is := other.Place(cursor); is {
			t.Errorf("another question reads %q", place)
		}
	}
	for _, broken := range []string{
		"", "x", cursor[:21], cursor[:22], cursor + "=", cursor + "\n", " " + cursor, strings.Repeat("A", 5000),
		"!" + cursor[1:], cursor[:len(cursor)-1] + "/",
	} {
		if place, is := q.Place(broken); is {
			t.Errorf("%q is read as %q", broken, place)
		}
	}
}
