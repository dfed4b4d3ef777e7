package decide

import "reflect"

// Footprint is the memory that the structures of a snapshot take, in bytes.
// Structures that several snapshots share are counted for each of them.
type Footprint struct {
	NodeIDs       int `json:"node_ids"`
	NodeParents   int `json:"node_parents"`
	NodeChildren  int `json:"node_children"`
	NodeIndex     int `json:"node_index"`
	Members       int `json:"members"`
	MemberIndex   int `json:"member_index"`
	Assignments   int `json:"assignments"`
	MembersByNode int `json:"members_by_node"`
	MembersByRole int `json:"members_by_role"`
	Catalog       int `json:"catalog"` // permissions and roles
}

// Nodes is what all structures about nodes take.
func (f Footprint) Nodes() int { return f.NodeIDs + f.NodeParents + f.NodeChildren + f.NodeIndex }

// Identities is what the members take, without their assignments.
func (f Footprint) Identities() int { return f.Members + f.MemberIndex }

// AllAssignments is what the assignments take, with the trees that lead from
// nodes and roles to members.
func (f Footprint) AllAssignments() int { return f.Assignments + f.MembersByNode + f.MembersByRole }

// Total is the sum of all structures.
func (f Footprint) Total() int { return f.Nodes() + f.Identities() + f.AllAssignments() + f.Catalog }

// Footprint measures the snapshot. It reads the records of all members, so it is
// meant for benchmarks.
func (s *Snapshot) Footprint() Footprint {
	f := Footprint{
		NodeIDs:       s.nodeIDs.Bytes(),
		NodeParents:   s.parents.Bytes(),
		NodeChildren:  s.children.Bytes(),
		NodeIndex:     s.nodeTable.buckets.Bytes() + s.nodeTable.overflow.Bytes(),
		Members:       s.members.buckets.Bytes(),
		MemberIndex:   s.members.overflow.Bytes(),
		Assignments:   s.spilled.Bytes(),
		MembersByNode: s.membersByNode.Bytes(),
		MembersByRole: s.membersByRole.Bytes(),
		Catalog:       s.roles.Bytes() + s.roleIndex.Bytes() + s.keys.Bytes() + s.keyIndex.Bytes(),
	}
	each := int(reflect.TypeFor[assignment]().Size())
	for m := range s.members.end {
		f.Assignments += cap(s.members.at(m).list) * each
	}
	for r := range s.roles.Len() {
		f.Catalog += s.roles.At(r).grants.Bytes() + len(s.roles.At(r).name)
	}
	for k := range s.keys.Len() {
		f.Catalog += len(*s.keys.At(k))
	}
	return f
}
