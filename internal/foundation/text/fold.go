package text

import (
	"cmp"
	"strings"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Fold is the form in which text is searched and sorted, kept beside it: NFC and
// full case folding (Unicode, section 3.13; no locale's), so that ΣΊΣΥΦΟΣ and
// Σίσυφος, STRASSE and Straße are one. Lists compare it byte by byte. What has been
// folded stays as it is. A change here needs a migration that folds kept rows again.
func Fold(s string) string {
	s = cases.Fold().String(norm.NFC.String(s))
	// Cherokee alone folds to capitals. cases turns it both ways round: small letters
	// into capitals, and capitals into small ones.
	return norm.NFC.String(strings.Map(cherokee, s))
}

func cherokee(r rune) rune {
	switch {
	case r >= '\uab70' && r <= '\uabbf':
		return r - '\uab70' + '\u13a0'
	case r >= '\u13f8' && r <= '\u13fd':
		return r - 8
	}
	return r
}

// Compare orders two texts as lists do: folded, byte by byte.
func Compare(a, b string) int { return cmp.Compare(Fold(a), Fold(b)) }

// LikePattern makes a LIKE pattern that finds q literally, anywhere in folded text,
// for use with ESCAPE '\'.
func LikePattern(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(Fold(q)) + "%"
}
