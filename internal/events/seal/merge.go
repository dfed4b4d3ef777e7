package seal

import (
	"cmp"
	"container/heap"
	"slices"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/scope"
)

// merge orders rows that have all been committed. Each Environment's rows come by revision;
// among what is next of each, the row comes first whose transaction began to write first.
//
// So no row comes after one that was asked for only when it had been answered. Say A was
// answered before B was asked. What holds A up is an earlier revision of its Environment,
// which was committed before A was: its writer, too, began before B's did, and is taken
// before B.
func merge(rows []event.Unsealed) []event.Unsealed {
	byEnvironment := map[scope.EnvironmentID][]event.Unsealed{}
	var heads queue
	for _, u := range rows {
		if u.Revision == 0 { // waits for nothing
			heads = append(heads, []event.Unsealed{u})
			continue
		}
		byEnvironment[u.Environment] = append(byEnvironment[u.Environment], u)
	}
	for _, list := range byEnvironment {
		slices.SortFunc(list, func(a, b event.Unsealed) int {
			return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.N, b.N))
		})
		heads = append(heads, list)
	}
	heap.Init(&heads)
	ordered := make([]event.Unsealed, 0, len(rows))
	for len(heads) > 0 {
		first := heads[0]
		ordered = append(ordered, first[0])
		if heads[0] = first[1:]; len(heads[0]) == 0 {
			heap.Pop(&heads)
		} else {
			heap.Fix(&heads, 0)
		}
	}
	return ordered
}

// queue holds lists of rows, the one first whose first row is first.
type queue [][]event.Unsealed

// Len implements heap.Interface.
func (q *queue) Len() int { return len(*q) }

// Less implements heap.Interface.
func (q *queue) Less(i, j int) bool {
	a, b := (*q)[i][0], (*q)[j][0]
	return cmp.Or(cmp.Compare(a.Writer, b.Writer), cmp.Compare(a.N, b.N)) < 0
}

// Swap implements heap.Interface.
func (q *queue) Swap(i, j int) { (*q)[i], (*q)[j] = (*q)[j], (*q)[i] }

// Push implements heap.Interface.
func (q *queue) Push(x any) { *q = append(*q, x.([]event.Unsealed)) } //nolint:forcetypeassert // there is no other

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}
