package decision

import (
	"cmp"
	"context"
	"slices"
	"time"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
)

// Proven is an Environment as it stands now, for who asks at once: what was proven of it holds
// for the credential of the call as well. All questions are answered as of one moment, that of
// the proof.
type Proven struct {
	*held
	s   *Service
	in  scope.EnvironmentID
	now time.Time
}

// Prove gives the Environment with every write that was answered before Prove was called.
// Errors are as from Evaluate.
func (s *Service) Prove(ctx context.Context, in scope.Environment) (Proven, error) {
	h, err := s.proven(ctx, in)
	return Proven{h, s, in.ID, s.DB.Now()}, err
}

// Evaluate answers a question; names is room for those of the roles that grant. Who answers the
// call with it calls Note.
func (p Proven) Evaluate(q decide.Question, names []string) decide.Decision {
	return p.Snapshot.Evaluate(q, instant(p.now), names)
}

// Notes reports whether any answers are written to the decision log.
func (p Proven) Notes() bool { return p.s.Decided != nil }

// Note has an answer written, if it is wanted.
func (p Proven) Note(by *principal.Actor, q decide.Question, d decide.Decision) {
	p.s.note(by, p.in, p.held, p.now, q, d)
}

// At is where the Environment stands.
func (p Proven) At() revision.At { return p.at }

// SameKeys reports whether no API key was changed since the Environment stood there. It may
// say no where none was.
func (p Proven) SameKeys(since revision.At) bool { return since == p.at || p.quiet.has(since) }

// quiet are moments of an Environment since the last change that concerns API keys, in their
// order. It is shared by the snapshots that follow one another, and only grows.
type quiet []revision.At

// mostQuiet bounds the moments that are remembered.
const mostQuiet = 1024

func (q quiet) has(at revision.At) bool {
	byRevision := func(one, at revision.At) int { return cmp.Compare(one.Revision, at.Revision) }
	i, is := slices.BinarySearchFunc(q, at, byRevision)
	return is && q[i] == at
}

// with is q with one moment more.
func (q quiet) with(at revision.At) quiet {
	if len(q) >= mostQuiet {
		q = slices.Clone(q[mostQuiet/2:])
	}
	return append(q, at)
}
