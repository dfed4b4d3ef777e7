// Package page holds the words of paged lists: which page, how long, in which
// order (the list rules common to every area of the API). A list declares its
// sort keys once, as Sorts; parsing, SQL and the OpenAPI document follow them.
package page

import "strconv"

// Sort is one key that a list can be sorted by.
type Sort struct {
	Key    string // as the API spells it
	Column string // as SQL spells it; a fixed word, never from a caller
	Desc   bool   // the order when none is asked for: descending for times
}

// Sorts are the keys of one list; the first is used when none is asked for.
type Sorts []Sort

// Find gives the sort of a key; false when the list has no such key.
func (s Sorts) Find(key string) (Sort, bool) {
	for _, sort := range s {
		if sort.Key == key {
			return sort, true
		}
	}
	return Sort{}, false
}

// Keys are the keys as the API spells them.
func (s Sorts) Keys() []string {
	keys := make([]string, len(s))
	for i, sort := range s {
		keys[i] = sort.Key
	}
	return keys
}

// Request asks for one page. Whoever parsed it has checked the bounds.
type Request struct {
	Page int    // ≥ 1
	Take int    // 1–100
	Q    string // ≤ 200 characters, "" for no search
	Sort Sort   // one of the list's own
	Desc bool   // the order asked for, or else the sort's own
}

// Offset is the number of rows before the page.
func (r Request) Offset() int { return (r.Page - 1) * r.Take }

// OrderBy is the ORDER BY of the page, with equal values ordered by the column
// tie in the same direction.
func (r Request) OrderBy(tie string) string {
	if r.Desc {
		return " ORDER BY " + r.Sort.Column + " DESC, " + tie + " DESC"
	}
	return " ORDER BY " + r.Sort.Column + ", " + tie
}

// Limit is the LIMIT and OFFSET of the page.
func (r Request) Limit() string {
	return " LIMIT " + strconv.Itoa(r.Take) + " OFFSET " + strconv.Itoa(r.Offset())
}

// Info is the "pagination" member of an answer.
type Info struct {
	Page            int  `json:"page"              doc:"The page, from 1."`
	Take            int  `json:"take"              doc:"The most items a page holds."`
	ItemCount       int  `json:"item_count"        doc:"Items on all pages."`
	PageCount       int  `json:"page_count"        doc:"Pages, 0 for an empty list."`
	HasPreviousPage bool `json:"has_previous_page" doc:"Whether there is a page before this one."`
	HasNextPage     bool `json:"has_next_page"     doc:"Whether there is a page after this one."`
}

// Of describes the page that r asked for in a list of count items.
func (r Request) Of(count int) Info {
	pages := (count + r.Take - 1) / r.Take
	return Info{
		Page: r.Page, Take: r.Take, ItemCount: count, PageCount: pages,
		HasPreviousPage: r.Page > 1 && pages > 0, HasNextPage: r.Page < pages,
	}
}
