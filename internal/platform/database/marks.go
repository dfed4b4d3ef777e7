package database

import (
	"slices"
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

// named is how many things one statement names.
const named = 64

// Name calls fn for pieces of a list: with the placeholders that name the things of a piece, and
// all arguments, of which the shared ones are the first.
func Name[T any](list []T, fn func(marks string, args []any) error, shared ...any) error {
	for piece := range slices.Chunk(list, named) {
		args := slices.Clone(shared)
		for _, one := range piece {
			args = append(args, one)
		}
		if err := fn(Marks(len(shared)+1, len(piece)), args); err != nil {
			return err
		}
	}
	return nil
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
