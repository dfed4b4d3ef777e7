package authzenapi

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decision"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

var tagAuthZEN = wire.Tag{
	Name: "AuthZEN", About: "The Authorization API 1.0 of the OpenID Foundation, over the same decisions.",
}

// prefix is where the standard's operations lie.
const prefix = "/access/v1"

// mostAsked is how many questions one call may ask.
const mostAsked = 1000

// Evaluations serves decisions as AuthZEN words them.
type Evaluations struct{ Decisions *decision.Service }

// semantic says when a call with several questions ends.
type semantic string

// The semantics.
const (
	executeAll  semantic = "execute_all"
	untilDenied semantic = "deny_on_first_deny"
	untilDone   semantic = "permit_on_first_permit"
)

// Enum lists the semantics, for schemas.
func (semantic) Enum() []string {
	return []string{string(executeAll), string(untilDenied), string(untilDone)}
}

// ends reports whether an answer is the last one.
func (s semantic) ends(decision bool) bool {
	return s == untilDenied && !decision || s == untilDone && decision
}

type options struct {
	_ struct{} `additionalProperties:"true"`

	Semantic semantic `json:"evaluations_semantic,omitempty" doc:"When the call ends: after all, the first denial, or the first permit; that answer is the last one."`
}

// evaluation is one of several questions. What it leaves out is that of the whole call.
type evaluation struct {
	_ struct{} `additionalProperties:"true"`

	Subject  wire.Loose[subject]  `json:"subject,omitzero"  doc:"Who."`
	Action   wire.Loose[action]   `json:"action,omitzero"   doc:"What."`
	Resource wire.Loose[resource] `json:"resource,omitzero" doc:"Where."`
	Context  wire.Loose[free]     `json:"context,omitzero"  doc:"Ignored."`
}

// evaluatingAll is the body of several evaluations.
type evaluatingAll struct {
	_ struct{} `additionalProperties:"true"`

	Subject     wire.Loose[subject]   `json:"subject,omitzero"      doc:"Who, for evaluations that don't say it."`
	Action      wire.Loose[action]    `json:"action,omitzero"       doc:"What, for evaluations that don't say it."`
	Resource    wire.Loose[resource]  `json:"resource,omitzero"     doc:"Where, for evaluations that don't say it."`
	Context     wire.Loose[free]      `json:"context,omitzero"      doc:"Ignored."`
	Evaluations wire.Rows[evaluation] `json:"evaluations,omitempty" nullable:"false" doc:"Up to 1,000 questions, answered in their order as of one moment. Without any the call is a single evaluation." maxItems:"1000"`
	Options     wire.Loose[options]   `json:"options,omitzero"      doc:"How they are gone through."`
}

// evaluatedAll are the answers to several questions.
type evaluatedAll struct {
	Evaluations []evaluatedItem `json:"evaluations" doc:"In the order asked; those that were not come to are left out." maxItems:"1000"`
}

// evaluatedItem is the answer to one of them.
type evaluatedItem struct {
	Decision bool                              `json:"decision" doc:"Whether the subject may; false where the question is malformed."`
	Context  wire.Either[because, itemRefused] `json:"context"  doc:"Why."`
}

type itemRefused struct {
	Error itemError `json:"error" doc:"What is wrong with the question."`
}

type itemError struct {
	Status  int    `json:"status"  doc:"The HTTP status that the question would have had alone." example:"400"`
	Message string `json:"message" doc:"What is wrong, field by field." example:"resource.id is required" maxLength:"5000"`
}

// Routes registers the resource.
func (h *Evaluations) Routes(rt *wire.Router) {
	g := rt.Standard(prefix, tagAuthZEN)
	wire.HandleStandard(g, wire.Route{
		Method: http.MethodPost, Path: "/evaluation", ID: "authzenEvaluation", Summary: "Evaluate",
		About: "May this subject do this at this resource? A denial is an answer like any other: 200.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.Evaluate),
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.evaluate)
	wire.HandleStandard(g, wire.Route{
		Method: http.MethodPost, Path: "/evaluations", ID: "authzenEvaluations", Summary: "Evaluate many",
		About: "Several questions, with defaults for what they have in common. One that is malformed is answered with " +
			"an error in its place, and the others go on.",
		Needs: permission.Evaluate, Limits: wire.PerEnvironment(ratelimit.EvaluateBulk), Body: wire.BodyRows,
		Quiet: true, Consistent: true, Status: http.StatusOK,
	}, h.evaluateAll)
}

func (h *Evaluations) evaluate(ctx context.Context, _ *wire.Call, by wire.By, in evaluating) (evaluated, error) {
	return h.one(ctx, by, in.parts())
}

// one answers a single question.
func (h *Evaluations) one(ctx context.Context, by wire.By, p parts) (evaluated, error) {
	var r reader
	q := r.ask(p)
	if err := r.problems.Err(); err != nil {
		return evaluated{}, err
	}
	d, err := h.Decisions.Evaluate(ctx, by.Actor, by.In, q.decided())
	return viewEvaluated(q, d), err
}

func (h *Evaluations) evaluateAll(
	ctx context.Context, _ *wire.Call, by wire.By, in evaluatingAll,
) (out wire.Either[evaluatedAll, evaluated], err error) {
	var whole reader
	how := whole.semantic(in.Options.Value)
	if len(in.Evaluations) > mostAsked {
		whole.problems.Add("evaluations", "must hold at most "+strconv.Itoa(mostAsked)+" questions")
	}
	common := parts{in.Subject.Value, in.Action.Value, in.Resource.Value}
	whole.objects(common)
	if err := whole.problems.Err(); err != nil {
		return out, err
	}
	if len(in.Evaluations) == 0 {
		v, err := h.one(ctx, by, common)
		return wire.Second[evaluatedAll](v), err
	}
	list, err := h.all(ctx, by, common, in.Evaluations, how)
	return wire.First[evaluatedAll, evaluated](evaluatedAll{list}), err
}

// all answers several questions, of which common is what they have in common.
func (h *Evaluations) all(
	ctx context.Context, by wire.By, common parts, items wire.Rows[evaluation], how semantic,
) ([]evaluatedItem, error) {
	var good []decide.Question // those that are asked
	questions, wrong := make([]question, len(items)), make([]string, len(items))
	for i, raw := range items {
		var r reader
		questions[i] = r.ask(r.item(common, raw))
		if wrong[i] = strings.Join(r.problems, "; "); wrong[i] == "" {
			good = append(good, questions[i].decided())
		} else if how.ends(false) {
			questions = questions[:i+1]
			break
		}
	}
	decided, err := h.Decisions.Until(ctx, by.Actor, by.In, good, func(d decide.Decision) bool {
		return how.ends(d.Allowed)
	})
	if err != nil {
		return nil, err
	}
	list := []evaluatedItem{}
	for i, q := range questions {
		var v evaluatedItem
		switch {
		case wrong[i] != "":
			e := itemError{http.StatusBadRequest, wrong[i]}
			v.Context = wire.Second[because](itemRefused{e})
		default:
			one := viewEvaluated(q, decided[0])
			decided = decided[1:]
			v = evaluatedItem{one.Decision, wire.First[because, itemRefused](one.Context)}
		}
		if list = append(list, v); how.ends(v.Decision) {
			break
		}
	}
	return list, nil
}

// item is a question of several: each member that it has stands in the place of the common
// one, whole.
func (r *reader) item(common parts, raw jsontext.Value) parts {
	of := r.object("evaluation", raw)
	for name, part := range map[string]*jsontext.Value{
		"subject": &common.subject, "action": &common.action, "resource": &common.resource,
	} {
		if own := of[name]; own != nil {
			*part = own
		}
	}
	return common
}

// objects tells of parts that are given and are no objects.
func (r *reader) objects(p parts) {
	for _, part := range []struct {
		name string
		raw  jsontext.Value
	}{{"subject", p.subject}, {"action", p.action}, {"resource", p.resource}} {
		if part.raw != nil {
			r.object(part.name, part.raw)
		}
	}
}

// semantic reads the options.
func (r *reader) semantic(raw jsontext.Value) semantic {
	const name = "options.evaluations_semantic"
	if raw == nil {
		return executeAll
	}
	given := r.object("options", raw)["evaluations_semantic"]
	if given == nil {
		return executeAll
	}
	var s semantic
	if json.Unmarshal(given, &s) != nil || s != executeAll && s != untilDenied && s != untilDone {
		r.problems.Add(name, "must be "+strings.Join(s.Enum(), ", "))
	}
	return s
}
