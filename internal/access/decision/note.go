package decision

import (
	"slices"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decisionlog"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// note has a decision written that is wanted. Nothing of it need outlive the call.
func (s *Service) note(
	by *principal.Actor, in scope.EnvironmentID, h *held, now time.Time, q decide.Question, d decide.Decision,
) {
	if !s.Decided.Wants(d.Allowed) {
		return
	}
	q.Permission, d.GrantingRoles = strings.Clone(q.Permission), slices.Clone(d.GrantingRoles)
	s.Decided.Note(decisionlog.Entry{By: *by, In: in, Revision: h.at.Revision, At: now, Question: q, Decision: d})
}

// explained is note for an explanation, which may be as of another instant.
func (s *Service) explained(
	by *principal.Actor, in scope.EnvironmentID, h *held, asOf *time.Time, q decide.Question, d decide.Decision,
) {
	if !s.Decided.Wants(d.Allowed) {
		return
	}
	s.Decided.Note(decisionlog.Entry{
		Kind: decisionlog.Explanation, By: *by, In: in, Revision: h.at.Revision, At: s.DB.Now(), AsOf: asOf,
		Question: q, Decision: d,
	})
}

// listed is note for a page of a list: what was asked, why there is nothing, and how much was
// found. It is wanted as a denial is where nothing was.
func (s *Service) listed(
	by *principal.Actor, in scope.Environment, h *held, kind decisionlog.Kind, q decide.Question,
	reason decide.Reason, found int,
) {
	if !s.Decided.Wants(found > 0) {
		return
	}
	s.Decided.Note(decisionlog.Entry{
		Kind: kind, By: *by, In: in.ID, Revision: h.at.Revision, At: s.DB.Now(),
		Question: q, Decision: decide.Decision{Reason: reason}, Found: found,
	})
}
