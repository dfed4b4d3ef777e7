package text

import (
	"strings"
	"time"
)

// instantForm is how an instant is kept and answered: UTC, milliseconds.
const instantForm = "2006-01-02T15:04:05.000Z"

// Instant reads an instant of RFC 3339, with any offset, and gives it in UTC; digits beyond
// the millisecond are cut. A date alone and a leap second are none.
func Instant(s string) (kept, broken string) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || strings.ContainsRune(s, ',') {
		return "", "must be an instant such as 2027-01-01T00:00:00.000Z"
	}
	t = t.UTC()
	if t.Year() < 1 || t.Year() > 9999 {
		return "", "must be an instant of the years 1 to 9999"
	}
	return t.Truncate(time.Millisecond).Format(instantForm), ""
}

// Time is the value of a Clearable that InstantRule has normalised. It is zero for none, and
// for the first instant of the year 1, which is what some programs send for none: whoever tells
// them apart looks at Value.
func (c *Clearable) Time() time.Time {
	if c.Value == nil {
		return time.Time{}
	}
	t, _ := time.Parse(instantForm, *c.Value)
	return t
}

// InstantOf is an instant as it is kept and answered.
func InstantOf(t time.Time) string { return t.UTC().Format(instantForm) }
