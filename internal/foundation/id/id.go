// Package id names things. An ID is a UUID of version 7 (RFC 9562, section
// 5.7): 48 bits of Unix milliseconds, then random bits, so ids sort by age. An
// id names a thing and proves nothing: knowing one opens no door.
//
// Every kind of thing has its own Go type, so that an account's id can't be
// handed where an invite's is wanted:
//
//	type ID = id.Of[kind]   // in package invite, with an empty struct kind
package id

import (
	"crypto/rand"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"time"
)

// Of is the id of a thing of kind K. K is only a mark; it is never held. The
// zero value is not an id: it is never made by New and prints as 36 zeros.
type Of[K any] [16]byte

// ID is the id of a thing whose kind does not matter, as in an audit row.
type ID = Of[any]

// ErrMalformed says that a text is not a lower-case UUID of 36 characters.
var ErrMalformed = errors.New("id: not a lower-case UUID")

// New makes an id for a thing born at t. Ids of the same millisecond are
// ordered at random. It is safe for concurrent use.
func New[I ~[16]byte](t time.Time) I {
	var u [16]byte
	// crypto/rand.Read never fails (it ends the process instead).
	_, _ = rand.Read(u[6:])
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(u[:6], ms[2:])
	u[6] = u[6]&0x0f | 0x70 // version 7
	u[8] = u[8]&0x3f | 0x80 // variant of RFC 9562
	return I(u)
}

// Run makes ids for things born at t, each of which comes after those that the same run
// has made. It belongs to one goroutine, and is good for a thousand million ids.
func Run[I ~[16]byte](t time.Time) func() I {
	u := [16]byte(New[I](t))
	low := binary.BigEndian.Uint64(u[8:]) & (1<<61 - 1) // beneath the variant, with room to grow
	return func() I {
		var gap [4]byte
		_, _ = rand.Read(gap[:])
		low += 1 + uint64(binary.BigEndian.Uint32(gap[:])>>3)
		binary.BigEndian.PutUint64(u[8:], low|1<<63)
		return I(u)
	}
}

// Parse reads the one spelling that String writes: 36 characters, lower case.
// Other spellings of the same UUID are refused, so that an id has one name
// everywhere. The version is not looked at. The error is ErrMalformed.
func Parse[I ~[16]byte](s string) (I, error) { return parse[I](s) }

// Several reads ids that stand one after the other, nothing between them. The error is
// ErrMalformed. Those who read very many rows read one column of them rather than several.
func Several(s []byte, into ...*ID) (err error) {
	if len(s) != 36*len(into) {
		return ErrMalformed
	}
	for i, of := range into {
		if *of, err = parse[ID](s[36*i : 36*i+36]); err != nil {
			return err
		}
	}
	return nil
}

// Bytes are ids one after the other, 16 bytes each; List reads them.
func Bytes(list []ID) []byte {
	all := make([]byte, 0, 16*len(list))
	for i := range list {
		all = append(all, list[i][:]...)
	}
	return all
}

// List reads Bytes; false for what are none.
func List(all []byte) (list []ID, are bool) {
	if len(all)%16 != 0 {
		return nil, false
	}
	for i := 0; i < len(all); i += 16 {
		list = append(list, ID(all[i:i+16]))
	}
	return list, true
}

func parse[I ~[16]byte, T string | []byte](s T) (I, error) {
	var u [16]byte
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return I{}, ErrMalformed
	}
	at := 0
	for i := range u {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			at++
		}
		hi, lo := nibbles[s[at]], nibbles[s[at+1]]
		if hi|lo > 0x0f {
			return I{}, ErrMalformed
		}
		u[i] = hi<<4 | lo
		at += 2
	}
	return I(u), nil
}

// nibbles are the values of the lower-case hexadecimal digits; of all else, more than any
// digit has.
var nibbles = func() (of [256]byte) {
	for c := range of {
		of[c] = 0xff
	}
	for n, c := range "0123456789abcdef" {
		of[c] = byte(n)
	}
	return of
}()

// Any forgets the kind.
func (u Of[K]) Any() ID { return ID(u) }

// IsZero reports whether u is the zero value.
func (u Of[K]) IsZero() bool { return u == Of[K]{} }

// Time is the instant the id was made for, to the millisecond, in UTC.
func (u Of[K]) Time() time.Time {
	ms := int64(u[0])<<40 | int64(u[1])<<32 | int64(u[2])<<24 | int64(u[3])<<16 | int64(u[4])<<8 | int64(u[5])
	return time.UnixMilli(ms).UTC()
}

// String is the canonical text: 8-4-4-4-12 lower-case hexadecimal digits.
func (u Of[K]) String() string {
	b, _ := u.AppendText(make([]byte, 0, 36))
	return string(b)
}

// AppendText implements encoding.TextAppender.
func (u Of[K]) AppendText(b []byte) ([]byte, error) {
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			b = append(b, '-')
		}
		start := [...]int{0, 4, 6, 8, 10}[i]
		b = hex.AppendEncode(b, u[start:start+n])
	}
	return b, nil
}

// MarshalText implements encoding.TextMarshaler.
func (u Of[K]) MarshalText() ([]byte, error) { return u.AppendText(nil) }

// UnmarshalText implements encoding.TextUnmarshaler, as strict as Parse.
func (u *Of[K]) UnmarshalText(b []byte) error {
	v, err := parse[Of[K]](b)
	if err == nil {
		*u = v
	}
	return err
}

// Value stores the id as its text (driver.Valuer); the zero id is NULL.
func (u Of[K]) Value() (driver.Value, error) {
	if u.IsZero() {
		return nil, nil //nolint:nilnil // NULL, to database/sql
	}
	return u.String(), nil
}

// Scan reads what Value wrote (sql.Scanner); NULL is the zero id.
func (u *Of[K]) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*u = Of[K]{}
		return nil
	case string:
		return u.UnmarshalText([]byte(v))
	case []byte:
		return u.UnmarshalText(v)
	}
	return ErrMalformed
}
