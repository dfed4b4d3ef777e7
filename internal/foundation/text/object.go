package text

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxObject = 64 << 10 // bytes of compact JSON
	maxLevels = 8
)

// Object notes the broken rule of a free JSON object, such as settings and metadata: at
// most 64 KiB as compact JSON, and 8 levels. nil is an absent one.
func (f *Fields) Object(name string, v jsontext.Value) {
	f.Check(name, v == nil || v.Kind() == '{', "must be an object")
	f.Check(name, v == nil || v.Kind() != '{' || small(v), "must be at most 64 KiB and 8 levels deep")
}

// ObjectOrNull is Object for one that may be null.
func (f *Fields) ObjectOrNull(name string, v jsontext.Value) {
	if v.Kind() != 'n' {
		f.Object(name, v)
	}
}

func small(v jsontext.Value) bool {
	kept, err := CompactObject(v)
	return err == nil && len(kept) <= maxObject && depth(v) <= maxLevels
}

// CompactObject is the form in which free JSON is kept and compared: without white space,
// members by name, numbers digit by digit as they came.
func CompactObject(v jsontext.Value) (jsontext.Value, error) {
	kept := v.Clone()
	err := kept.Format(jsontext.ReorderRawObjects(true),
		jsontext.CanonicalizeRawInts(false), jsontext.CanonicalizeRawFloats(false))
	return kept, err
}

func depth(v jsontext.Value) int {
	deepest, decoder := 0, jsontext.NewDecoder(bytes.NewReader(v))
	for {
		if _, err := decoder.ReadToken(); err != nil {
			return deepest
		}
		deepest = max(deepest, decoder.StackDepth())
	}
}
