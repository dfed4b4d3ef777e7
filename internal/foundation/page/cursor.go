package page

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
)

// Asked is what a list without page numbers was asked. The cursors that it makes are good
// for the same question alone, in every process and for ever.
type Asked [16]byte

// Ask is a question, given by everything that tells it from others: what list it is, of which
// Environment, and what is asked of it.
func Ask(words ...string) (q Asked) {
	h := sha256.New()
	for _, word := range words {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(word)))
		h.Write(length[:])
		h.Write([]byte(word))
	}
	copy(q[:], h.Sum(nil))
	return q
}

// mostPlace is how many bytes a place has at most: a path of 16 ids.
const mostPlace = 16 * 16

// MaxCursor is how long a cursor is at most, in characters.
const MaxCursor = ((len(Asked{})+mostPlace)*8 + 5) / 6

// Cursor is the place at which a page ended, as it is sent to callers and comes back from
// them. Without a place there is none. A cursor is no secret, and proves nothing: who makes
// one up gets a page that begins elsewhere.
func (q Asked) Cursor(place []byte) string {
	if len(place) == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(append(q[:], place...))
}

// Place reads a cursor of the same question; false for any other text.
func (q Asked) Place(cursor string) (place []byte, is bool) {
	if len(cursor) > MaxCursor || strings.ContainsAny(cursor, "\r\n") { // which base64 passes over
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= len(q) || Asked(raw[:len(q)]) != q {
		return nil, false
	}
	return raw[len(q):], true
}
