package text

// oneByOne is how many spellings of a slug are tried in turn.
const oneByOne = 20

// FreeSlug is a spelling of the slug that is not taken: the first of the first twenty, and
// where these are taken one whose predecessor is, found in a number of look-ups that grows
// with the digits of the answer: strangers choose how many things have one name.
func FreeSlug(slug string, taken func(slug string) (bool, error)) (string, error) {
	is := func(n int) (bool, error) { return taken(SlugNumber(slug, n)) }
	for n := 1; n <= oneByOne; n++ {
		if known, err := is(n); err != nil || !known {
			return SlugNumber(slug, n), err
		}
	}
	n, err := freeNumber(oneByOne+1, is)
	return SlugNumber(slug, n), err
}

// freeNumber is a number from n on that is not taken.
func freeNumber(n int, taken func(n int) (bool, error)) (int, error) {
	last, free := n-1, n // last is taken, or before the first
	for step := 1; ; step *= 2 {
		is, err := taken(free)
		if err != nil {
			return 0, err
		}
		if !is {
			break
		}
		last, free = free, free+step
	}
	for free-last > 1 {
		middle := last + (free-last)/2
		is, err := taken(middle)
		if err != nil {
			return 0, err
		}
		if is {
			last = middle
		} else {
			free = middle
		}
	}
	return free, nil
}
