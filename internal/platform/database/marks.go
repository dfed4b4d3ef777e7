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

// Piece is how many rows one statement writes: SQLite's driver binds parameters in time
// that grows with the square of their number.
const Piece = 20

// Rows repeats a row of VALUES n times, each ? being the next parameter; shared ones come
// before.
func Rows(row string, shared, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		for _, c := range row {
			if c != '?' {
				b.WriteRune(c)
				continue
			}
			shared++
			b.WriteString("$" + strconv.Itoa(shared))
		}
	}
	return b.String()
}
