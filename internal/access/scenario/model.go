package scenario

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A model knows what the names of a file stand for as the world is now, so that
// a statement such as "activate East" becomes a whole row.
type model struct {
	kinds       map[string]string // by name, also of what is gone: node, role, identity, permission
	nodes       map[string]Node
	roles       map[string]Role // by current name
	identities  map[string]Identity
	assignments map[triple]Assignment

	aliases map[string][]string // further words for nodes, each with the names that it may mean
}

type triple struct{ identity, role, node string } // role by its Ref

func newModel() *model {
	m := &model{
		kinds: map[string]string{}, nodes: map[string]Node{}, roles: map[string]Role{},
		identities: map[string]Identity{}, assignments: map[triple]Assignment{},
	}
	for _, key := range SystemPermissions() {
		m.kinds[key] = "permission"
	}
	return m
}

func (m *model) clone() *model {
	return &model{
		maps.Clone(m.kinds), maps.Clone(m.nodes), maps.Clone(m.roles), maps.Clone(m.identities),
		maps.Clone(m.assignments), m.aliases,
	}
}

// FileError is a mistake in a file, and where it is.
type FileError struct {
	Line int // from 1
	Err  error
}

// Error implements error.
func (m *FileError) Error() string { return fmt.Sprintf("line %d: %v", m.Line, m.Err) }

// Unwrap gives what is wrong.
func (m *FileError) Unwrap() error { return m.Err }

// statements turns lines into changes, each seeing what those before it did. first is the
// number of the first line.
func (m *model) statements(lines []string, first int) ([]Change, error) {
	var all []Change
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.TrimSpace(line) == "" {
			continue
		}
		var changes []Change
		var err error
		if strings.TrimSpace(line) == "tree" {
			n := 1
			for i+n < len(lines) && (strings.HasPrefix(lines[i+n], " ") || lines[i+n] == "") {
				n++
			}
			if changes, err = m.tree(lines[i+1:i+n], first+i+1); err != nil {
				return nil, err
			}
			i += n - 1
		} else if changes, err = m.statement(line); err != nil {
			return nil, &FileError{first + i, fmt.Errorf("%q: %w", line, err)}
		}
		all = append(all, changes...)
	}
	return all, nil
}

const (
	name   = `('[^']+'|[^\s:;,"'()]+)`
	window = `(?: from (\S+))?(?: until (\S+))?`
)

var verbs = []struct {
	form *regexp.Regexp
	do   func(m *model, a []string) ([]Change, error)
}{
	{form(`permission (.+)`), (*model).permissions},
	{form(`role ` + name + `( \(inactive\))?:(.*)`), (*model).role},
	{form(`node ` + name + `( \(inactive\))?(?: under ` + name + `)?`), (*model).node},
	{form(`member ` + name + `(?: \((inactive|deactivated)\))?`), (*model).member},
	{form(`(deleted|elsewhere) (node|identity) ` + name), (*model).away},
	{form(`assign ` + name + ` to ` + name + ` at ` + name + window), (*model).assign},
	{form(`change ` + name + ` of ` + name + ` at ` + name + ` to ` + name + window), (*model).change},
	{form(`unassign ` + name + ` from ` + name + ` at ` + name), (*model).unassign},
	{form(`move ` + name + ` under ` + name), (*model).move},
	{form(`(activate|deactivate) ` + name), (*model).toggle},
	{form(`set ` + name + `:(.*)`), (*model).set},
	{form(`rename ` + name + ` to ` + name), (*model).rename},
	{form(`delete ` + name), (*model).remove},
	{form(`(remove|return|erase) ` + name), (*model).membership},
}

// firstName finds the name that a line begins with.
var firstName = regexp.MustCompile(`^` + name)

// unquoted are names without the single quotes that they stand in.
func unquoted(names []string) []string {
	for i, s := range names {
		if len(s) > 2 && s[0] == '\'' && s[len(s)-1] == '\'' {
			names[i] = s[1 : len(s)-1]
		}
	}
	return names
}

func form(s string) *regexp.Regexp { return regexp.MustCompile(`^` + s + `$`) }

func (m *model) statement(line string) ([]Change, error) {
	for _, v := range verbs {
		if a := v.form.FindStringSubmatch(strings.TrimSpace(line)); a != nil {
			return v.do(m, unquoted(a[1:]))
		}
	}
	return nil, errors.New("is not a statement")
}

// known checks that a name stands for such a thing, or did.
func (m *model) known(kind, name string) error {
	if strings.HasPrefix(name, `"`) && kind != "role" {
		return nil
	}
	if m.kinds[name] != kind {
		return fmt.Errorf("there is no %s called %q", kind, name)
	}
	return nil
}

// called gives a thing its name, which nothing of another kind has.
func (m *model) called(kind, name string) error {
	if k := m.kinds[name]; k != "" && k != kind {
		return fmt.Errorf("%q is a %s", name, k)
	}
	m.kinds[name] = kind
	return nil
}

func (m *model) permissions(a []string) (changes []Change, err error) {
	for key := range strings.FieldsSeq(a[0]) {
		if err := m.called("permission", key); err != nil {
			return nil, err
		}
		changes = append(changes, PutPermission{key})
	}
	return changes, nil
}

func (m *model) keys(list string) ([]string, error) {
	keys := strings.Fields(list)
	for _, key := range keys {
		if err := m.known("permission", key); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

func (m *model) putRole(r Role) ([]Change, error) {
	m.roles[r.Name] = r
	return []Change{PutRole{r}}, m.called("role", r.Name)
}

func (m *model) role(a []string) ([]Change, error) {
	keys, err := m.keys(a[2])
	if err != nil {
		return nil, err
	}
	return m.putRole(Role{Ref: a[0], Name: a[0], Active: a[1] == "", Permissions: keys})
}

func (m *model) theRole(name string) (Role, error) {
	r, ok := m.roles[name]
	if !ok {
		return r, fmt.Errorf("there is no role called %q", name)
	}
	return r, nil
}

func (m *model) set(a []string) ([]Change, error) {
	r, err := m.theRole(a[0])
	if err != nil {
		return nil, err
	}
	if r.Permissions, err = m.keys(a[1]); err != nil {
		return nil, err
	}
	return m.putRole(r)
}

func (m *model) rename(a []string) ([]Change, error) {
	r, err := m.theRole(a[0])
	if err != nil {
		return nil, err
	}
	delete(m.roles, r.Name)
	r.Name = a[1]
	return m.putRole(r)
}

func (m *model) member(a []string) ([]Change, error) {
	var all []Change
	for _, name := range span(a[0]) {
		i := Identity{Name: name, Active: a[1] != "inactive", Member: a[1] != "deactivated"}
		m.identities[name] = i
		if err := m.called("identity", name); err != nil {
			return nil, err
		}
		all = append(all, PutIdentity{i})
	}
	return all, nil
}

func (m *model) away(a []string) ([]Change, error) {
	return []Change{Away{Kind: a[1], Name: a[2], Deleted: a[0] == "deleted"}}, m.called(a[1], a[2])
}

func (m *model) toggle(a []string) ([]Change, error) {
	on := a[0] == "activate"
	name, err := m.anyName(a[1])
	if err != nil {
		return nil, err
	}
	switch m.kinds[name] {
	case "node":
		if n, ok := m.nodes[name]; ok {
			n.Active = on
			return m.putNode(n)
		}
	case "role":
		if r, ok := m.roles[name]; ok {
			r.Active = on
			return m.putRole(r)
		}
	case "identity":
		if i, ok := m.identities[name]; ok {
			i.Active = on
			m.identities[name] = i
			return []Change{PutIdentity{i}}, nil
		}
	}
	return nil, fmt.Errorf("there is no %q", name)
}

func (m *model) membership(a []string) ([]Change, error) {
	i, ok := m.identities[a[1]]
	if !ok {
		return nil, fmt.Errorf("there is no identity called %q", a[1])
	}
	i.Member = a[0] == "return"
	m.identities[i.Name] = i
	if a[0] == "return" {
		return []Change{PutIdentity{i}}, nil
	}
	maps.DeleteFunc(m.assignments, func(_ triple, x Assignment) bool { return x.Identity == i.Name })
	if a[0] == "remove" {
		return []Change{RemoveMember{i}}, nil
	}
	delete(m.identities, i.Name)
	return []Change{EraseIdentity{i.Name}}, nil
}

func (m *model) remove(a []string) ([]Change, error) {
	gone := func(which func(Assignment) bool) {
		maps.DeleteFunc(m.assignments, func(_ triple, x Assignment) bool { return which(x) })
	}
	name, err := m.anyName(a[0])
	if err != nil {
		return nil, err
	}
	switch m.kinds[name] {
	case "permission":
		for key, r := range m.roles {
			r.Permissions = slices.DeleteFunc(slices.Clone(r.Permissions), func(k string) bool { return k == name })
			m.roles[key] = r
		}
		return []Change{DropPermission{name}}, nil
	case "role":
		if r, ok := m.roles[name]; ok {
			delete(m.roles, name)
			gone(func(x Assignment) bool { return x.Role == r.Ref })
			return []Change{DropRole{r.Ref}}, nil
		}
	case "node":
		below := func(n string) bool {
			for n != "" && n != name {
				n = m.nodes[n].Parent
			}
			return n == name
		}
		gone(func(x Assignment) bool { return below(x.Node) })
		var names []string
		for n := range m.nodes {
			if below(n) {
				names = append(names, n)
			}
		}
		for _, n := range names {
			delete(m.nodes, n)
		}
		if len(names) > 0 {
			return []Change{DropNode{name}}, nil
		}
	}
	return nil, fmt.Errorf("there is no %q", a[0])
}

func (m *model) assign(a []string) ([]Change, error) {
	r, err := m.theRole(a[0])
	if err != nil {
		return nil, err
	}
	from, until, err := bounds(a[3], a[4])
	if err != nil {
		return nil, err
	}
	var all []Change
	for _, identity := range span(a[1]) {
		for _, node := range span(a[2]) {
			if node, err = m.nodeName(node); err != nil {
				return nil, err
			}
			if _, ok := m.identities[identity]; !ok {
				return nil, fmt.Errorf("there is no identity called %q", identity)
			}
			if _, ok := m.nodes[node]; !ok {
				return nil, fmt.Errorf("there is no node called %q", node)
			}
			key := triple{identity, r.Ref, node}
			if _, ok := m.assignments[key]; ok {
				return nil, errors.New("that is assigned already")
			}
			x := Assignment{fmt.Sprintf("%s of %s at %s", r.Ref, identity, node), identity, node, r.Ref, from, until}
			m.assignments[key] = x
			all = append(all, PutAssignment{x})
		}
	}
	return all, nil
}

func (m *model) theAssignment(role, identity, node string) (Assignment, error) {
	node, err := m.nodeName(node)
	if err != nil {
		return Assignment{}, err
	}
	x, ok := m.assignments[triple{identity, m.roles[role].Ref, node}]
	if !ok {
		return x, errors.New("that is not assigned")
	}
	return x, nil
}

func (m *model) change(a []string) ([]Change, error) {
	x, err := m.theAssignment(a[0], a[1], a[2])
	if err != nil {
		return nil, err
	}
	r, err := m.theRole(a[3])
	if err != nil {
		return nil, err
	}
	delete(m.assignments, triple{x.Identity, x.Role, x.Node})
	x.Role = r.Ref
	if x.From, x.Until, err = bounds(a[4], a[5]); err != nil {
		return nil, err
	}
	m.assignments[triple{x.Identity, x.Role, x.Node}] = x
	return []Change{PutAssignment{x}}, nil
}

func (m *model) unassign(a []string) ([]Change, error) {
	x, err := m.theAssignment(a[0], a[1], a[2])
	delete(m.assignments, triple{x.Identity, x.Role, x.Node})
	return []Change{DropAssignment{x}}, err
}

func bounds(from, until string) (f, u time.Time, err error) {
	if from != "" {
		if f, err = time.Parse(time.RFC3339Nano, from); err != nil {
			return
		}
	}
	if until != "" {
		u, err = time.Parse(time.RFC3339Nano, until)
	}
	return
}

var spanForm = form(`(.*?)(\d+)\.\.(.*?)(\d+)`)

// span is the names that leaf1..leaf3 stands for.
func span(s string) []string {
	a := spanForm.FindStringSubmatch(s)
	if a == nil || a[1] != a[3] {
		return []string{s}
	}
	first, _ := strconv.Atoi(a[2])
	last, _ := strconv.Atoi(a[4])
	var names []string
	for i := first; i <= last; i++ {
		names = append(names, a[1]+strconv.Itoa(i))
	}
	return names
}
