package wire

import (
	"time"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/text"
)

// QueryInstant is a query parameter with an instant, to the millisecond; nil when absent.
func QueryInstant(name, about string) Value[*time.Time] {
	return Value[*time.Time]{declaration{
		name: name, in: "query", about: about, absent: (*time.Time)(nil),
		schema: huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2027-01-01T00:00:00.000Z"}},
		parse: func(raw string) (any, string) {
			kept, broken := text.Instant(raw)
			t := (&text.Clearable{Value: &kept}).Time()
			return &t, broken
		},
	}}
}
