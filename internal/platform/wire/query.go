package wire

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
)

// PageParams are the query parameters of every paged list.
var PageParams = []Param{
	{"page", "from 1, default 1"},
	{"take", "1 to 100, default 20"},
	{"q", "part of the text to look for, at most 200 characters, case ignored"},
	{"sort_by", "the column to sort by"},
	{"order", "asc or desc"},
}

// Page reads the parameters of a paged list: sorts are the columns it offers,
// the first of them the default, with desc as its default order if descending.
// Every problem is noted in p.
func (c *Call) Page(p *fault.Problems, descending bool, sorts ...string) page.Request {
	r := page.Request{Page: c.number(p, "page", 1, 1, 1<<31-1), Take: c.number(p, "take", 20, 1, 100), Q: strings.TrimSpace(c.Query("q"))}
	if utf8.RuneCountInString(r.Q) > 200 || !utf8.ValidString(r.Q) {
		p.Add("q", "must be at most 200 characters")
	}
	r.SortBy = c.OneOf(p, "sort_by", sorts...)
	order := c.OneOf(p, "order", "asc", "desc")
	r.Desc = order == "desc" || order == "" && descending
	if r.SortBy == "" {
		r.SortBy = sorts[0]
	}
	return r
}

func (c *Call) number(p *fault.Problems, name string, absent, least, most int) int {
	s := c.Query(name)
	if s == "" && !c.r.URL.Query().Has(name) {
		return absent
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < least || n > most {
		p.Add(name, "must be a whole number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
		return absent
	}
	return n
}

// OneOf reads a parameter that takes a few words only; "" when absent.
func (c *Call) OneOf(p *fault.Problems, name string, words ...string) string {
	s := c.Query(name)
	if s == "" && !c.r.URL.Query().Has(name) {
		return ""
	}
	if !slices.Contains(words, s) {
		p.Add(name, "must be one of "+strings.Join(words, ", "))
		return ""
	}
	return s
}

// IfMatch is the version of the If-Match header, 0 without one; anything but a
// positive number, bare or quoted, is ErrPrecondition.
func (c *Call) IfMatch() (int, error) {
	s := c.Header("If-Match")
	if s == "" {
		return 0, nil
	}
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || strconv.Itoa(n) != s {
		return 0, ErrPrecondition
	}
	return n, nil
}

// ETag is a version as the header spells it.
func ETag(version int) string { return `"` + strconv.Itoa(version) + `"` }
