package preview

import (
	"encoding/base64"
	"strconv"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
)

func number(n int) string { return strconv.Itoa(n) }

// ErrOutdated says that the Environment is not what it was when the first page was made.
var ErrOutdated = fault.New(fault.Conflict, "access.preview_outdated",
	"The Environment has changed since the first page; start anew")

// A cursor is the identity after which a page begins, the question, and where the Environments
// stood that the answer is about. Whoever makes one up asks a question of their own.
type cursor struct {
	after    id.ID
	question string
	state    string
}

// hashed is how much of a hash a cursor has.
const hashed = 16

// questionOf tells one question from another.
func questionOf(in scope.Environment, c Change) (string, error) {
	raw, err := json.Marshal(c, json.Deterministic(true))
	return secret.HashOf(in.ID[:], raw)[:hashed], err
}

// stateOf tells one moment from another.
func stateOf(all ...revision.At) string {
	var texts [][]byte
	for _, at := range all {
		texts = append(texts, strconv.AppendUint(nil, at.Revision, 10), []byte("/"+at.Stamp+"/"))
	}
	return secret.HashOf(texts...)[:hashed]
}

func (c cursor) String() string {
	return base64.RawURLEncoding.EncodeToString(c.after[:]) + c.question + c.state
}

// parseCursor reads a cursor of a question; validation for one that is none, or of another.
func parseCursor(text, question string) (c cursor, err error) {
	at := base64.RawURLEncoding.EncodedLen(len(c.after))
	if len(text) != at+2*hashed {
		return c, fault.Validation.WithDetails("cursor must be the next_cursor of a page")
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text[:at])
	if err != nil {
		return c, fault.Validation.WithDetails("cursor must be the next_cursor of a page")
	}
	copy(c.after[:], raw)
	c.question, c.state = text[at:at+hashed], text[at+hashed:]
	if c.question != question {
		return c, fault.Validation.WithDetails("cursor belongs to another question")
	}
	return c, nil
}
