package database

import (
	"strconv"
	"strings"
)

// Marks are n placeholders from $first on, for a list in SQL: "$2,$3,$4".
func Marks(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(first + i))
	}
	return b.String()
}
