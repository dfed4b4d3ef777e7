package accessapi

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/platform/wire"
)

// treeWriter writes the nodes of a walk as nested JSON while it goes on: what a tree takes
// in memory does not grow with it, but for sixteen bytes a node where ids are told after it.
type treeWriter struct {
	out       *wire.StreamWriter
	tag       string // what the validator begins with; "": there is none
	view      hierarchy.View
	part      bool // each node tells how many children it has
	scoped    bool // ids are wanted afterwards
	unchanged bool // the caller has it already

	buf   []byte
	depth int   // entries above the node that is written
	err   error // of encoding

	accessible, roots, entries idList
}

// writeAfter is how much is gathered before it is handed on.
const writeAfter = 32 << 10

// Begin implements hierarchy.Walker.
func (t *treeWriter) Begin(tag string) (stop bool, err error) {
	if t.tag != "" {
		t.unchanged = t.out.Validate(t.tag + tag)
	}
	return t.unchanged, nil
}

// Enter implements hierarchy.Walker.
func (t *treeWriter) Enter(n hierarchy.Node, seen hierarchy.Seen, first bool) error {
	if t.scoped {
		t.note(n, seen)
	}
	if !first {
		t.buf = append(t.buf, ',')
	}
	t.buf = append(t.buf, `{"id":"`...)
	t.id(n.ID)
	t.field(`","name":`, n.Name)
	t.optional(`,"description":`, n.Description)
	t.field(`,"slug":`, n.Slug)
	t.field(`,"node_type":`, n.Type)
	t.parent(n)
	t.field(`,"status":`, string(n.Status))
	t.field(`,"access_state":`, string(seen.State))
	t.buf = append(t.buf, `,"can_access":`...)
	t.buf = strconv.AppendBool(t.buf, seen.State == hierarchy.Accessible)
	t.buf = append(t.buf, `,"can_manage":`...)
	t.buf = strconv.AppendBool(t.buf, seen.Manages)
	t.buf = append(t.buf, `,"version":`...)
	t.buf = strconv.AppendInt(t.buf, int64(n.Version), 10)
	t.buf = append(t.buf, `,"direct_count":`...)
	t.buf = strconv.AppendInt(t.buf, int64(seen.Direct), 10)
	t.buf = append(t.buf, `,"inherited_count":`...)
	t.buf = strconv.AppendInt(t.buf, int64(seen.Inherited), 10)
	if t.part {
		t.buf = append(t.buf, `,"child_count":`...)
		t.buf = strconv.AppendInt(t.buf, int64(n.Children), 10)
	}
	t.buf = append(t.buf, `,"children":[`...)
	return t.hand()
}

// Leave implements hierarchy.Walker.
func (t *treeWriter) Leave(n hierarchy.Node) error {
	t.buf = append(t.buf, `]}`...)
	if t.scoped && t.view.Begins(n) {
		t.depth--
	}
	return t.hand()
}

// note keeps what is told of the caller's view after the tree.
func (t *treeWriter) note(n hierarchy.Node, seen hierarchy.Seen) {
	if seen.State == hierarchy.Accessible {
		t.accessible.add(n.ID)
	}
	if t.view.Begins(n) {
		t.entries.add(n.ID)
		if t.depth == 0 {
			t.roots.add(n.ID)
		}
		t.depth++
	}
}

func (t *treeWriter) id(of hierarchy.ID) { t.buf, _ = of.AppendText(t.buf) }

func (t *treeWriter) parent(n hierarchy.Node) {
	if n.IsRoot() {
		t.buf = append(t.buf, `,"parent_node_id":null`...)
		return
	}
	t.buf = append(t.buf, `,"parent_node_id":"`...)
	t.id(n.Parent)
	t.buf = append(t.buf, '"')
}

func (t *treeWriter) field(name, value string) {
	t.buf = append(t.buf, name...)
	buf, err := jsontext.AppendQuote(t.buf, value)
	if err != nil {
		t.err = err
		return
	}
	t.buf = buf
}

func (t *treeWriter) optional(name string, value *string) {
	if value != nil {
		t.field(name, *value)
		return
	}
	t.buf = append(append(t.buf, name...), `null`...)
}

func (t *treeWriter) text(s string) { t.buf = append(t.buf, s...) }

// ids writes a list of ids after some text.
func (t *treeWriter) ids(before string, of func(yield func(hierarchy.ID) bool)) {
	t.text(before)
	first := true
	for one := range of {
		if !first {
			t.buf = append(t.buf, ',')
		}
		first = false
		t.buf = append(t.buf, '"')
		t.id(one)
		t.buf = append(t.buf, '"')
		if t.hand() != nil {
			return
		}
	}
}

// value writes any value.
func (t *treeWriter) value(v any) error {
	raw, err := wire.Encode(v)
	if err != nil {
		return err
	}
	t.buf = append(t.buf, raw...)
	return t.hand()
}

// hand hands on what was gathered, once it is enough.
func (t *treeWriter) hand() error {
	if t.err != nil || len(t.buf) < writeAfter {
		return t.err
	}
	return t.flush()
}

func (t *treeWriter) flush() error {
	if t.err == nil {
		_, t.err = t.out.Write(t.buf)
		t.buf = t.buf[:0]
	}
	return t.err
}

// encode writes one value as the whole answer.
func encode(out *wire.StreamWriter, v any) error {
	t := &treeWriter{out: out}
	if err := t.value(v); err != nil {
		return err
	}
	return t.flush()
}

// edgeWriter writes the nodes of a walk as a flat list of ids.
type edgeWriter struct{ treeWriter }

// Enter implements hierarchy.Walker.
func (e *edgeWriter) Enter(n hierarchy.Node, _ hierarchy.Seen, _ bool) error {
	if !n.IsRoot() {
		e.buf = append(e.buf, ',')
	}
	e.buf = append(e.buf, `{"id":"`...)
	e.id(n.ID)
	e.buf = append(e.buf, '"')
	e.parent(n)
	e.buf = append(e.buf, '}')
	return e.hand()
}

// Leave implements hierarchy.Walker.
func (e *edgeWriter) Leave(hierarchy.Node) error { return nil }

// idList keeps ids in pieces, so that it never doubles.
type idList struct{ pieces [][]hierarchy.ID }

const idPiece = 4096

func (l *idList) add(of hierarchy.ID) {
	last := len(l.pieces) - 1
	if last < 0 || len(l.pieces[last]) == idPiece {
		l.pieces = append(l.pieces, make([]hierarchy.ID, 0, min(idPiece, 64<<min(len(l.pieces), 6))))
		last++
	}
	l.pieces[last] = append(l.pieces[last], of)
}

func (l *idList) all() func(yield func(hierarchy.ID) bool) {
	return func(yield func(hierarchy.ID) bool) {
		for _, piece := range l.pieces {
			for _, of := range piece {
				if !yield(of) {
					return
				}
			}
		}
	}
}
