package decide

import "canopy.dev/canopy/internal/foundation/id"

// A member is the record of an identity that has, or had, a membership.
//
// Where it has its assignments depends on how many they are:
//
//	up to 6     in list, and the record itself has a summary of them
//	up to 64    in list
//	more        in Snapshot.spilled, until only 16 are left
//
// The summary answers most questions without reading the list, which is far away
// in memory. The limit of the list keeps edits cheap: they copy it whole.
type member struct {
	id     id.ID
	list   []assignment       // by node, then id; nil when spilled
	nodes  [summaryLen]uint32 // summary: the nodes; nodes[0] is the number of assignments when spilled
	roles  [summaryLen]uint8  // summary: the roles, or roleNotSummarized
	layout uint8              // the length of the summary, or one of the constants below
	state  memberState
}

const (
	summaryLen = 6  // most assignments that a summary covers
	listLen    = 64 // most assignments of a list

	layoutList    = summaryLen + 1 // in list, without a summary
	layoutSpilled = summaryLen + 2 // in Snapshot.spilled

	// roleNotSummarized stands for an assignment with a window, or with a role
	// whose number does not fit: it must be read in the list.
	roleNotSummarized = 255
)

type memberState uint8

const (
	identityActive memberState = 1 << iota
	membershipActive
	dropped // the slot's member was dropped; the slot is reused through the free list only
)

// unused reports whether the slot has never held a member.
func (m *member) unused() bool { return m.id == zeroID && m.state == 0 }

// inactiveReason is why the member is denied everything, or None.
func (m *member) inactiveReason() Reason {
	switch {
	case m.state&identityActive == 0:
		return IdentityInactive
	case m.state&membershipActive == 0:
		return MembershipInactive
	}
	return None
}

// setList makes list the member's assignments.
func (m *member) setList(list []assignment) {
	m.list, m.nodes, m.roles, m.layout = list, [summaryLen]uint32{}, [summaryLen]uint8{}, layoutList
	if len(list) > summaryLen {
		return
	}
	m.layout = uint8(len(list)) //nolint:gosec // at most summaryLen
	for i := range list {
		m.nodes[i] = list[i].node
		m.roles[i] = roleNotSummarized
		if a := &list[i]; a.from == Beginning && a.to == Forever && a.role < roleNotSummarized {
			m.roles[i] = uint8(a.role)
		}
	}
}

// setSpilled records that the member has n assignments in Snapshot.spilled.
func (m *member) setSpilled(n int) {
	m.list, m.nodes, m.roles, m.layout = nil, [summaryLen]uint32{}, [summaryLen]uint8{}, layoutSpilled
	m.nodes[0] = uint32(n) //nolint:gosec // memory ends long before
}

// spilledLen returns how many assignments the member has in Snapshot.spilled.
func (m *member) spilledLen() int {
	if m.layout == layoutSpilled {
		return int(m.nodes[0])
	}
	return 0
}

// assignmentCount returns how many assignments the member has.
func (m *member) assignmentCount() int { return len(m.list) + m.spilledLen() }
