package text

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// PlainWords reports whether a name that somebody chose reads as words and can't be
// taken for a link or an instruction of ours, so that it may stand in a mail to somebody
// else: letters and their marks of one script, digits, single spaces and &'’-,. only, a
// dot only before a space or at the end. What is written together counts as one script
// (UTS 39, section 5.1): Han with kana, with Hangul or with Bopomofo. limit bounds the
// characters; 0 is no limit.
func PlainWords(s string, limit int) bool {
	if !utf8.ValidString(s) || strings.TrimSpace(s) == "" || limit > 0 && utf8.RuneCountInString(s) > limit {
		return false
	}
	var w writing
	before := ' '
	for i, r := range s {
		var plain bool
		switch {
		case unicode.IsLetter(r), unicode.Is(unicode.Nd, r):
			plain = w.takes(r)
		case unicode.IsMark(r):
			plain = (unicode.IsLetter(before) || unicode.IsMark(before)) && w.takes(r)
		case r == ' ':
			plain = before != ' '
		case r == '.':
			after := s[i+1:]
			plain = after == "" || after[0] == ' '
		default:
			plain = strings.ContainsRune("&'’-,", r)
		}
		if !plain {
			return false
		}
		before = r
	}
	return before != ' '
}

// writing is what the characters of a text so far have in common: each element is one
// script or several that are written together.
type writing struct {
	known bool
	sets  [][]*unicode.RangeTable
}

// takes reports whether a character is written together with those before it.
func (w *writing) takes(r rune) bool {
	switch {
	case unicode.In(r, unicode.Common, unicode.Inherited): // of every script
		return norm.NFKC.IsNormalString(string(r)) // but for those that dress up as another, as 𝐞
	case !w.known:
		w.known, w.sets = true, writings(r)
	default:
		w.sets = slices.DeleteFunc(w.sets, func(s []*unicode.RangeTable) bool { return !unicode.In(r, s...) })
	}
	return len(w.sets) > 0
}

// writings are those that a character may belong to.
func writings(r rune) (sets [][]*unicode.RangeTable) {
	together := [][]*unicode.RangeTable{
		{unicode.Han, unicode.Hiragana, unicode.Katakana}, {unicode.Han, unicode.Hangul}, {unicode.Han, unicode.Bopomofo},
	}
	for _, s := range together {
		if unicode.In(r, s...) {
			sets = append(sets, s)
		}
	}
	if len(sets) > 0 {
		return sets
	}
	for script := range maps.Values(unicode.Scripts) {
		if unicode.Is(script, r) {
			return [][]*unicode.RangeTable{{script}}
		}
	}
	return nil
}
