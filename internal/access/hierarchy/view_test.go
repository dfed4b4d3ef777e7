package hierarchy_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/hierarchy"
)

// numbered is a node of a tree made by hand, by its number; its parent's is smaller.
func numbered(n int) hierarchy.ID { return hierarchy.ID{byte(n >> 8), byte(n), 1} }

func lineage(parents []int, n int) (list []hierarchy.ID) {
	for ; n >= 0; n = parents[n] {
		list = append(list, numbered(n))
	}
	slices.Reverse(list)
	return list
}

func look(parents, entries, manages []int) hierarchy.View {
	lineages := func(of []int) (list [][]hierarchy.ID) {
		for _, n := range of {
			list = append(list, lineage(parents, n))
		}
		return list
	}
	return hierarchy.Below(lineages(entries), lineages(manages))
}

// seen draws the states of all nodes: a accessible, m managed too, c context, - invisible.
func seen(parents []int, v hierarchy.View) (drawn string) {
	for n := range parents {
		switch s, visible := v.Of(lineage(parents, n)); {
		case !visible:
			drawn += "-"
		case s.State == hierarchy.ContextOnly:
			drawn += "c"
		case s.Manages:
			drawn += "m"
		default:
			drawn += "a"
		}
	}
	return drawn
}

// 0 ─┬─ 1 ─┬─ 3 ─── 6
//
//	│     └─ 4 ─── 7
//	└─ 2 ─── 5
func TestView(t *testing.T) {
	t.Parallel()
	parents := []int{-1, 0, 0, 1, 1, 2, 3, 4}
	for _, c := range []struct {
		entries, manages []int
		want             string
	}{
		{[]int{0}, nil, "aaaaaaaa"},
		{[]int{0}, []int{0}, "mmmmmmmm"},
		{nil, nil, "--------"},
		{nil, []int{0}, "--------"},
		{[]int{1}, nil, "ca-aa-aa"},
		{[]int{1}, []int{0}, "cm-mm-mm"},
		{[]int{1}, []int{3}, "ca-ma-ma"},
		{[]int{6}, []int{2}, "cc-c--a-"},
		{[]int{3, 5}, []int{5}, "ccca-ma-"},
		{[]int{1, 6}, []int{6}, "ca-aa-ma"},
		{[]int{7, 4, 1}, nil, "ca-aa-aa"},
		{[]int{2, 0}, []int{4}, "aaaamaam"},
	} {
		if got := seen(parents, look(parents, c.entries, c.manages)); got != c.want {
			t.Errorf("entries %v, manages %v: %s, want %s", c.entries, c.manages, got, c.want)
		}
	}
}

// TestViewIsItsDefinition on any tree.
func TestViewIsItsDefinition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 40).Draw(t, "size")
		parents := []int{-1}
		for n := 1; n < size; n++ {
			parents = append(parents, rapid.IntRange(0, n-1).Draw(t, "parent"))
		}
		some := rapid.SliceOfNDistinct(rapid.IntRange(0, size-1), 0, min(size, 6), rapid.ID[int])
		entries, manages := some.Draw(t, "entries"), some.Draw(t, "manages")
		at := func(n int, list []int) bool { // at or below one of the list
			for ; n >= 0; n = parents[n] {
				if slices.Contains(list, n) {
					return true
				}
			}
			return false
		}
		want := ""
		for n := range parents {
			above := slices.ContainsFunc(entries, func(e int) bool { return at(e, []int{n}) })
			switch {
			case at(n, entries) && at(n, manages):
				want += "m"
			case at(n, entries):
				want += "a"
			case above:
				want += "c"
			default:
				want += "-"
			}
		}
		if got := seen(parents, look(parents, entries, manages)); got != want {
			t.Errorf("%s", fmt.Sprint(parents, entries, manages, got, want))
		}
	})
}
