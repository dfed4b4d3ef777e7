package secret

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the form in which lists of breached passwords are published
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
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

// OpenBreaches takes the list of a file, which may be larger than memory: a line for each
// password, with its SHA-1 in hexadecimal, sorted, as lists of breaches are published; what
// follows a colon is skipped. A file that a look at a thousand of its lines shows to be none is
// refused. The file stays open, and must stay as it is.
func OpenBreaches(path string) (Breaches, error) {
	f, err := os.Open(path)
	if err != nil {
		return Breaches{}, err
	}
	b := Breaches{file: f}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = errors.New("is no file")
	case info.Size() == 0:
		err = errors.New("is empty")
	default:
		b.size = info.Size()
		err = b.check()
	}
	if err != nil {
		return Breaches{}, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return b, nil
}

// looks is how many lines of a file are looked at before it is taken for a list.
const looks = 1000

// check tells why a file is no list.
func (b Breaches) check() error {
	last := ""
	for i := range int64(looks) {
		start, err := b.startAfter(b.size * i / looks)
		if err != nil {
			return err
		}
		if start >= b.size {
			return nil
		}
		line, err := b.lineAt(start)
		if err != nil {
			return err
		}
		if line < last {
			return fmt.Errorf("is not sorted by hash: %s comes after %s", line, last)
		}
		last = line
	}
	return nil
}

// Hold reports whether the list has the password. It fails where a file can't be read any
// more, which may be one that has it.
func (b Breaches) Hold(password string) (bool, error) {
	sum := sha1.Sum([]byte(password)) //nolint:gosec // as above
	n := len(b.short) / shortHash
	i := sort.Search(n, func(i int) bool { return bytes.Compare(b.at(i), sum[:shortHash]) >= 0 })
	if i < n && bytes.Equal(b.at(i), sum[:shortHash]) {
		return true, nil
	}
	if b.file == nil {
		return false, nil
	}
	held, err := b.inFile(strings.ToUpper(hex.EncodeToString(sum[:])))
	if err != nil {
		err = fmt.Errorf("the list of breached passwords: %w", err)
	}
	return held, err
}

func (b Breaches) at(i int) []byte { return b.short[i*shortHash : (i+1)*shortHash] }

// inFile looks for a line by halving: between low and high lies the beginning of the line, if
// it is there.
func (b Breaches) inFile(want string) (bool, error) {
	low, high := int64(0), b.size
	for low < high {
		middle := low + (high-low)/2
		start, err := b.startAfter(middle)
		if err != nil {
			return false, err
		}
		if start >= high {
			high = middle
			continue
		}
		line, err := b.lineAt(start)
		switch {
		case err != nil:
			return false, err
		case line == want:
			return true, nil
		case line < want:
			low = start + 1
		default:
			high = middle
		}
	}
	return false, nil
}

// longestLine is more than a line of a list has.
const longestLine = 128

// startAfter is where the first line begins at or after a place; the size where there is none.
func (b Breaches) startAfter(place int64) (int64, error) {
	if place == 0 {
		return 0, nil
	}
	chunk, err := b.read(place - 1)
	if err != nil {
		return 0, err
	}
	switch i := bytes.IndexByte(chunk, '\n'); {
	case i >= 0:
		return place + int64(i), nil
	case len(chunk) == longestLine:
		return 0, errNoList
	default:
		return b.size, nil // a last line without an end
	}
}

// errNoList says that a file is something else.
var errNoList = errors.New("holds a line that is not a SHA-1 in hexadecimal, with nothing or a colon behind it")

// lineAt is the hash of the line that begins at a place, in capitals.
func (b Breaches) lineAt(start int64) (string, error) {
	chunk, err := b.read(start)
	if err != nil {
		return "", err
	}
	const digits = 2 * sha1.Size
	line, _, _ := bytes.Cut(chunk, []byte("\n"))
	hash, _, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\r")), []byte(":"))
	if _, err := hex.DecodeString(string(hash)); err != nil || len(hash) != digits {
		return "", errNoList
	}
	return strings.ToUpper(string(hash)), nil
}

// read gives what stands at a place: as much as a line may have, or what is left of the file.
func (b Breaches) read(at int64) ([]byte, error) {
	chunk := make([]byte, longestLine)
	n, err := b.file.ReadAt(chunk, at)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return chunk[:n], err
}
