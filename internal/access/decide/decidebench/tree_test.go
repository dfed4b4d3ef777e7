package decidebench

import "testing"

// TestSubtreeIsMovedElsewhere on a tree whose node 3 has two below it, and could lie below 2.
func TestSubtreeIsMovedElsewhere(t *testing.T) {
	t.Parallel()
	//               0   1  2  3  4  5  6
	parents := []int32{-1, 0, 0, 1, 2, 3, 3}
	if node, size := Subtree(parents, 100); node != 3 || size != 3 {
		t.Errorf("the largest is of node %d, of size %d", node, size)
	}
	if node, size := Subtree(parents, 1); node != 4 || size != 1 {
		t.Errorf("the smallest is of node %d, of size %d", node, size)
	}
	if to := Elsewhere(parents, 3); to != 2 {
		t.Errorf("3 goes to %d", to)
	}
	if to := Elsewhere(parents, 4); to != 1 {
		t.Errorf("4 goes to %d", to)
	}
	if to := Elsewhere(parents, 1); to != 0 {
		t.Errorf("1 goes to %d", to)
	}
}
