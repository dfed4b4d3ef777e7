// Package page holds the words of paged lists: which page, how long, in which
// order (the list rules common to every area of the API).
package page

// Request asks for one page. The door that parsed it has checked the bounds.
type Request struct {
	Page   int    // ≥ 1
	Take   int    // 1–100
	Q      string // ≤ 200 characters, "" for no search
	SortBy string // one of the list's own columns
	Desc   bool
}

// Offset is the number of rows before the page.
func (r Request) Offset() int { return (r.Page - 1) * r.Take }

// Info is the "pagination" member of an answer.
type Info struct {
	Page            int  `json:"page"`
	Take            int  `json:"take"`
	ItemCount       int  `json:"item_count"`
	PageCount       int  `json:"page_count"`
	HasPreviousPage bool `json:"has_previous_page"`
	HasNextPage     bool `json:"has_next_page"`
}

// Of describes the page that r asked for in a list of count items.
func (r Request) Of(count int) Info {
	pages := (count + r.Take - 1) / r.Take
	return Info{Page: r.Page, Take: r.Take, ItemCount: count, PageCount: pages,
		HasPreviousPage: r.Page > 1 && pages > 0, HasNextPage: r.Page < pages}
}
