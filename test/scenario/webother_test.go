package scenario_test

import (
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
	"canopy.dev/canopy/internal/tenant/environment"
)

// What a world has that the API can't make, can't be asked or can't say: here, and nowhere
// else, it comes in by another door.
const (
	// Instants go over the wire in milliseconds, and decisions count microseconds. Such a
	// window is given through the room of assignments; Canopy-Valid-Until is held against the
	// instant as the wire cuts it.
	finerThanTheWire = "windows finer than a millisecond"
	// Removing a member takes the assignments along, so that no call leaves a member that was
	// removed with some. The room of memberships does: those are its caller's to remove.
	removedAndAssigned = "a removed member with assignments"
	// Names of roles are unique without regard to case, also in the store. The API has to say
	// so. Nothing else in the world may stand on the role, which is left out.
	alikeButForCase = "roles whose names differ by case alone"
	// A name of no characters is malformed, and not unknown as the world has it.
	namedByNothing = "an id without characters"
)

// carried is an instant as the wire carries it.
func carried(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

// finer reports whether the wire does not carry the window of an assignment.
func finer(a scenario.Assignment) bool {
	return !carried(a.From).Equal(a.From) || !carried(a.Until).Equal(a.Until)
}

// giveExactly makes an assignment to the microsecond, anew where there was one.
func (e *webEnvironment) giveExactly(a scenario.Assignment, there bool) {
	e.parts[finerThanTheWire] = true
	if there {
		e.must(204, "DELETE", "/assignments/"+e.id("assignment", a.Ref), nil)
	}
	in := assignment.New{
		Identity: named[principal.IdentityID](e, e.id("identity", a.Identity)),
		Node:     named[hierarchy.ID](e, e.id("node", a.Node)), Role: named[rbac.RoleID](e, e.id("role", a.Role)),
		Window: assignment.Window{From: instant(a.From, decide.Beginning), To: instant(a.Until, decide.Forever)},
	}
	made := write(e, func(tx *database.Tx) (assignment.Assignment, error) {
		return assignment.Give(e.t.Context(), tx, principal.System(), e.in, in)
	})
	e.name("assignment", a.Ref, made.ID.String())
}

// write changes the Environment beside the API.
func write[T any](e *webEnvironment, do func(tx *database.Tx) (T, error)) (v T) {
	e.t.Helper()
	e.turns.during(e.now, func() {
		var err error
		v, err = environment.Write(e.t.Context(), e.s.DB, e.in, func(tx *database.Tx, _ environment.Environment) (T, error) {
			return do(tx)
		})
		if err != nil {
			e.t.Fatal(err)
		}
	})
	return v
}

// until is when time alone changes what somebody holds. What the answer says is held against
// the exact instant, which the pure engine knows.
func (e *webEnvironment) until(a servertest.Answer, identity string, now time.Time) time.Time {
	e.t.Helper()
	header := a.Header.Get("Canopy-Valid-Until")
	if header == "" {
		return time.Time{}
	}
	said, err := time.Parse(time.RFC3339Nano, header)
	if err != nil {
		e.t.Error(err)
	}
	exact, _ := e.pure.Grants(identity, now)
	if carried(exact.Until).Equal(said) && !exact.Until.IsZero() {
		return exact.Until
	}
	return said
}

// removeAtLast removes somebody who was made to be no member any more, as the last thing of
// an edit.
func (e *webEnvironment) removeAtLast(name string) {
	who := e.id("identity", name)
	for _, a := range e.given {
		if a.Identity != name {
			continue
		}
		e.parts[removedAndAssigned] = true
		write(e, func(tx *database.Tx) (bool, error) {
			i, err := enduser.Find(e.t.Context(), tx, e.in.Application.Account.ID, named[enduser.ID](e, who))
			if err != nil {
				return false, err
			}
			return membership.Deactivate(e.t.Context(), tx, e.in, i)
		})
		return
	}
	e.must(204, "DELETE", "/identities/"+who, nil)
}

// refuseAlike holds that a role that is called like another one is refused.
func (e *webEnvironment) refuseAlike(r scenario.Role) {
	e.parts[alikeButForCase] = true
	if a := e.must(409, "POST", "/roles", m{"name": r.Name}); a.Code() != "rbac.role_name_taken" {
		e.t.Errorf("the role %s: %s", r.Name, a.Raw)
	}
}

// unnamed asks about a name of no characters: it is refused, and the line of the world is
// left to the pure engine.
func (e *webEnvironment) unnamed(q scenario.Question) scenario.Verdict {
	e.parts[namedByNothing] = true
	if got := e.Malformed(q); got != "400 validation" {
		e.t.Errorf("%v: %s", q, got)
	}
	e.left++
	return e.pure.Evaluate(q)
}

// instant is an end of a window, as the room of assignments has it.
func instant(t time.Time, open decide.Instant) decide.Instant {
	if t.IsZero() {
		return open
	}
	return decide.Instant(t.UnixMicro())
}
