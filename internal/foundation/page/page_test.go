package page_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/page"
)

var sorts = page.Sorts{{Key: "created_at", Column: "x.made", Desc: true}, {Key: "name", Column: "x.fold"}}

func TestSortsAreFoundByTheirKey(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]bool{"created_at": true, "name": true, "x.fold": false, "Name": false, "": false} {
		s, found := sorts.Find(key)
		if found != want || found != (s.Key == key && s.Column != "") {
			t.Errorf("%q: %+v, %v", key, s, found)
		}
	}
	if diff := cmp.Diff([]string{"created_at", "name"}, sorts.Keys()); diff != "" {
		t.Error(diff)
	}
}

// Equal values are ordered by the tie in the same direction, so that one order is
// the other backwards.
func TestOrderAndLimit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		r    page.Request
		want string
	}{
		{page.Request{Page: 1, Take: 20, Sort: sorts[0], Desc: true}, " ORDER BY x.made DESC, x.id DESC LIMIT 20 OFFSET 0"},
		{page.Request{Page: 1, Take: 1, Sort: sorts[0]}, " ORDER BY x.made, x.id LIMIT 1 OFFSET 0"},
		{page.Request{Page: 3, Take: 100, Sort: sorts[1]}, " ORDER BY x.fold, x.id LIMIT 100 OFFSET 200"},
	} {
		if got := c.r.OrderBy("x.id") + c.r.Limit(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// What is said of a page agrees with the pages that one gets by walking.
func TestInfoAgreesWithWalking(t *testing.T) {
	t.Parallel()
	for count := range 25 {
		for take := 1; take <= 12; take++ {
			var sizes []int
			for left := count; left > 0; left -= take {
				sizes = append(sizes, min(left, take))
			}
			for number := 1; number <= len(sizes)+3; number++ {
				r := page.Request{Page: number, Take: take}
				want := page.Info{
					Page: number, Take: take, ItemCount: count, PageCount: len(sizes),
					HasPreviousPage: len(sizes) > 0 && number > 1, HasNextPage: number < len(sizes),
				}
				if diff := cmp.Diff(want, r.Of(count)); diff != "" {
					t.Errorf("page %d of %d by %d:\n%s", number, count, take, diff)
				}
				if r.Offset() != (number-1)*take {
					t.Errorf("page %d by %d begins at %d", number, take, r.Offset())
				}
			}
		}
	}
}
