package text

import (
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Clearable is a text of a change that may also be cleared: absent, null, or a value.
type Clearable struct {
	Given bool
	Value *string // nil: to be cleared
}

// UnmarshalJSONFrom implements json.UnmarshalerFrom.
func (c *Clearable) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	c.Given = true
	return json.UnmarshalDecode(d, &c.Value)
}

// IsZero reports whether the field is absent.
func (c *Clearable) IsZero() bool { return !c.Given }

// Clearable is Field for a text that may be absent or cleared. An empty one clears.
func (f *Fields) Clearable(name string, c *Clearable, r Rule) {
	f.Optional(name, c.Value, r)
	if c.Value != nil && *c.Value == "" {
		c.Value = nil
	}
}
