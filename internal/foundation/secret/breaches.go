package secret

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the form in which lists of breached passwords are published
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sort"
	"strings"
)

// Breaches is a list of passwords that are known to attackers, looked up on this machine
// alone. The zero value knows none. It is safe for concurrent use.
type Breaches struct {
	short []byte   // sorted, the first 8 bytes of the SHA-1 of each
	file  *os.File // sorted lines, each with a SHA-1 in hexadecimal; may be nil
	size  int64
}

// common are the passwords of 8 and more characters of the list of common ones that zxcvbn
// has (MIT, © Dan Wheeler and Dropbox), which come from breaches.
//
//go:embed breached.bin
var common string

// shortHash is how much of a SHA-1 is kept: no two of the words of the world meet.
const shortHash = 8

// Common is the list that is part of the program.
func Common() Breaches { return Breaches{short: []byte(common)} }

// OpenBreaches takes the list of a file: a line for each password, with its SHA-1 in
// hexadecimal, sorted, as lists of breaches are published; what follows a colon is skipped.
// The file stays open.
func OpenBreaches(path string) (Breaches, error) {
	f, err := os.Open(path)
	if err != nil {
		return Breaches{}, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no file")
	}
	b := Breaches{file: f}
	if err == nil {
		b.size = info.Size()
		_, err = b.lineAt(0)
	}
	if err != nil {
		return Breaches{}, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return b, nil
}

// Hold reports whether the list has the password. A file that can't be read any more has
// none: nobody is kept from setting a password by it.
func (b Breaches) Hold(password string) bool {
	sum := sha1.Sum([]byte(password)) //nolint:gosec // as above
	n := len(b.short) / shortHash
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b.at(i), sum[:shortHash]) >= 0 })
	if i < n && bytes.Equal(b.at(i), sum[:shortHash]) {
		return true
	}
	return b.file != nil && b.inFile(strings.ToUpper(hex.EncodeToString(sum[:])))
}

func (b Breaches) at(i int) []byte { return b.short[i*shortHash : (i+1)*shortHash] }

// inFile looks for a line by halving: between low and high lies the beginning of the line, if
// it is there.
func (b Breaches) inFile(want string) bool {
	low, high := int64(0), b.size
	for low < high {
		middle := (low + high) / 2
		start, err := b.startAfter(middle)
		if err != nil {
			return false
		}
		if start >= high {
			high = middle
			continue
		}
		line, err := b.lineAt(start)
		switch {
		case err != nil:
			return false
		case line == want:
			return true
		case line < want:
			low = start + 1
		default:
			high = middle
		}
	}
	return false
}

// longestLine is more than a line of a list has.
const longestLine = 128

// startAfter is where the first line begins at or after a place; size where there is none.
func (b Breaches) startAfter(place int64) (int64, error) {
	if place == 0 {
		return 0, nil
	}
	chunk, err := b.read(place - 1)
	if err != nil {
		return 0, err
	}
	i := bytes.IndexByte(chunk, '\n')
	if i < 0 {
		return b.size, nil
	}
	return place + int64(i), nil
}

// lineAt is the hash of the line that begins at a place, in capitals.
func (b Breaches) lineAt(start int64) (string, error) {
	chunk, err := b.read(start)
	if err != nil {
		return "", err
	}
	if len(chunk) < 40 {
		return "", errors.New("holds a line that is no SHA-1")
	}
	if _, err := hex.DecodeString(string(chunk[:40])); err != nil {
		return "", errors.New("holds a line that is no SHA-1")
	}
	return strings.ToUpper(string(chunk[:40])), nil
}

func (b Breaches) read(at int64) ([]byte, error) {
	chunk := make([]byte, longestLine)
	n, err := b.file.ReadAt(chunk, at)
	if n > 0 {
		err = nil
	}
	return chunk[:n], err
}
