package wire

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/scope"
)

// consistencyHeader says, in a call of a Consistent route, how old the proof may be that the
// answer stands on where none can be had; and in the answer, what it stands on.
const consistencyHeader = "Canopy-Consistency"

// strict is the header of an answer that stands on proofs taken after the call came in.
const strict = "strict"

// consistency reads the header: the context that calls of rooms are to have, and what tells
// afterwards how old a proof they were given; nil for strict. Who sends a malformed one is
// admitted by strict proofs, and told of it only then.
func (c *Call) consistency(ctx context.Context) (context.Context, *scope.Lenient, error) {
	given := c.r.Header.Values(consistencyHeader)
	if !c.op.Consistent || len(given) == 0 || len(given) == 1 && given[0] == strict {
		return ctx, nil, nil
	}
	age, bounded := strings.CutPrefix(given[0], "bounded;")
	seconds, named := strings.CutPrefix(strings.TrimLeft(age, " "), "max-age=")
	n, err := strconv.Atoi(seconds)
	most := int(scope.MostLeeway / time.Second)
	if len(given) > 1 || !bounded || !named || err != nil || strconv.Itoa(n) != seconds || n < 1 || n > most {
		return ctx, nil, fault.Validation.WithDetails(
			consistencyHeader + " must be strict, or bounded; max-age= and 1 to " + strconv.Itoa(most) + " whole seconds")
	}
	ctx, lenient := scope.Leeway(ctx, time.Duration(n)*time.Second)
	return ctx, lenient, nil
}

// consistent tells what the answer stands on.
func (c *Call) consistent(lenient *scope.Lenient) {
	if !c.op.Consistent {
		return
	}
	told := strict
	if lenient != nil {
		if age, aged := lenient.Age(); aged {
			told = "bounded; age=" + strconv.FormatFloat(age.Seconds(), 'f', 3, 64)
		}
	}
	c.w.Header().Set(consistencyHeader, told)
}

var consistency = &huma.Param{
	Name: consistencyHeader, In: "header",
	Description: "strict, or bounded; max-age= and 1 to 300 seconds: where the server can't prove that it knows the " +
		"newest state, what was proven so many seconds ago will do, for the credential too; else the answer is 503.",
	Schema: &huma.Schema{
		Type: huma.TypeString, Pattern: `^(strict|bounded; *max-age=[1-9][0-9]{0,2})$`, MaxLength: new(100),
	},
	Example: "bounded; max-age=5",
}
