package text

import "testing"

// The number of a spelling is found in a few look-ups, however many are taken and
// whatever gaps they leave.
func TestFreeNumberTakesFewLookUps(t *testing.T) {
	t.Parallel()
	for name, taken := range map[string]func(n int) bool{
		"none":           func(int) bool { return false },
		"ten thousand":   func(n int) bool { return n <= 10_000 },
		"a billion":      func(n int) bool { return n <= 1_000_000_000 },
		"every second":   func(n int) bool { return n <= 10_000 && n%2 == 0 },
		"all but the 77": func(n int) bool { return n <= 10_000 && n != 77 },
	} {
		looks := 0
		n, err := freeNumber(21, func(n int) (bool, error) {
			looks++
			return taken(n), nil
		})
		if err != nil || n < 21 || taken(n) || n > 21 && !taken(n-1) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		if looks > 70 {
			t.Errorf("%s: %d look-ups", name, looks)
		}
	}
}
