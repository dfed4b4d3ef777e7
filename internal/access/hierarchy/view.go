package hierarchy

// State says how a caller sees a node.
type State string

// The states.
const (
	Accessible  State = "accessible"   // at or below a node where the caller may look
	ContextOnly State = "context_only" // on the way there: only its name and place are told
)

// Enum lists the states, for schemas.
func (State) Enum() []string { return []string{string(Accessible), string(ContextOnly)} }

// Seen is what a caller sees of one node.
type Seen struct {
	State   State
	Manages bool // may change it
	// Of walks that count: identities that hold something at the node, and above it.
	Direct, Inherited int
}

// View is what a caller sees of a tree: the nodes at which the caller may look, its
// entries, everything below them, and as context what lies above. All other nodes do not
// exist for the caller. It is never changed.
type View struct {
	everywhere, manages bool

	entries, manage, context map[ID]bool
}

// Everywhere is the view of who may look at the root.
func Everywhere(manages bool) View { return View{everywhere: true, manages: manages} }

// Below is the view of who may look, and change, at some nodes. Each is given by its
// lineage, the root first and the node last.
func Below(entries, manage [][]ID) View {
	v := View{entries: map[ID]bool{}, manage: map[ID]bool{}, context: map[ID]bool{}}
	for _, lineage := range entries {
		v.entries[lineage[len(lineage)-1]] = true
	}
	for _, lineage := range manage {
		v.manage[lineage[len(lineage)-1]] = true
	}
	for _, lineage := range entries {
		for _, above := range lineage[:len(lineage)-1] {
			v.context[above] = true
		}
	}
	return v
}

// Of is how the caller sees the last node of a lineage; false when not at all.
func (v View) Of(lineage []ID) (s Seen, visible bool) {
	if v.everywhere {
		return Seen{State: Accessible, Manages: v.manages}, true
	}
	accessible, manages := false, false
	for _, at := range lineage {
		accessible = accessible || v.entries[at]
		manages = manages || v.manage[at]
	}
	switch {
	case accessible:
		return Seen{State: Accessible, Manages: manages}, true
	case v.context[lineage[len(lineage)-1]]:
		return Seen{State: ContextOnly}, true
	}
	return s, false
}

// Begins reports whether the caller's right begins at the node.
func (v View) Begins(n Node) bool { return v.everywhere && n.IsRoot() || v.entries[n.ID] }

// tag tells views apart that show different trees.
func (v View) tag() string {
	if v.everywhere {
		if v.manages {
			return "manages"
		}
		return "views"
	}
	var b []byte
	for _, set := range []map[ID]bool{v.entries, v.manage} {
		for _, of := range sortedIDs(set) {
			b, _ = of.AppendText(b)
		}
		b = append(b, '|')
	}
	return string(b)
}

// shownTo leaves of a node what the caller may see.
func (n Node) shownTo(s Seen) Node {
	if s.State == ContextOnly {
		n.Description, n.Metadata = nil, []byte("{}")
	}
	return n
}
