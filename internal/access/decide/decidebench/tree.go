package decidebench

// Subtree returns the node whose subtree has the size that comes closest to want,
// and that size. It is neither the root nor a child of the root. parents are those
// of a tree, by node: the root comes first and has -1, others come after theirs.
func Subtree(parents []int32, want int) (node int32, size int) {
	sizes := make([]int, len(parents))
	for i := len(parents) - 1; i >= 0; i-- {
		sizes[i]++
		if p := parents[i]; p >= 0 {
			sizes[p] += sizes[i]
		}
	}
	distance := func(n int) int { return max(n-want, want-n) }
	for i, p := range parents {
		if p > 0 && (node == 0 || distance(sizes[i]) < distance(size)) {
			node, size = int32(i), sizes[i]
		}
	}
	return node, size
}

// Elsewhere returns a node that node can be moved to: the next one on the level of
// its parent, which is the parent where it is alone there.
func Elsewhere(parents []int32, node int32) int32 {
	depths, from := make([]int, len(parents)), int(parents[node])
	for i, p := range parents {
		if p >= 0 {
			depths[i] = depths[p] + 1
		}
	}
	for i := from + 1; ; i++ {
		if i %= len(parents); depths[i] == depths[from] {
			return int32(i)
		}
	}
}
