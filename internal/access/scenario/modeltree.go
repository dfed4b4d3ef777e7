package scenario

import (
	"errors"
	"fmt"
	"strings"
)

// tree reads nodes that lie below each other by how far they are set in.
func (m *model) tree(lines []string, first int) ([]Change, error) {
	var all []Change
	type place struct {
		in   int
		name string
	}
	var above []place
	for i, line := range lines {
		if strings.TrimSpace(line) == "" {
			continue
		}
		in := len(line) - len(strings.TrimLeft(line, " "))
		for len(above) > 0 && above[len(above)-1].in >= in {
			above = above[:len(above)-1]
		}
		statement := "node " + strings.TrimSpace(line)
		if len(above) > 0 {
			statement += " under " + above[len(above)-1].name
		}
		changes, err := m.statement(statement)
		if err != nil {
			return nil, &FileError{first + i, fmt.Errorf("%q: %w", strings.TrimSpace(line), err)}
		}
		all = append(all, changes...)
		above = append(above, place{in, firstName.FindString(strings.TrimSpace(line))})
	}
	return all, nil
}

// nodeName is what a node is called that a word stands for: itself, unless it is one of the
// further words of an export.
func (m *model) nodeName(word string) (string, error) {
	_, is := m.nodes[word]
	may := m.aliases[word]
	switch {
	case is || m.kinds[word] == "node" || len(may) == 0:
		return word, nil
	case len(may) > 1:
		return "", fmt.Errorf("%q may be %s", word, strings.Join(may[:min(len(may), most)], " or "))
	}
	return may[0], nil
}

// anyName is nodeName for a word that may stand for something else.
func (m *model) anyName(word string) (string, error) {
	if m.kinds[word] != "" {
		return word, nil
	}
	return m.nodeName(word)
}

func (m *model) putNode(n Node) ([]Change, error) {
	m.nodes[n.Name] = n
	if n.Parent != "" {
		if _, ok := m.nodes[n.Parent]; !ok {
			return nil, fmt.Errorf("there is no node called %q", n.Parent)
		}
	}
	return []Change{PutNode{n}}, m.called("node", n.Name)
}

func (m *model) node(a []string) ([]Change, error) {
	var all []Change
	above, err := m.nodeName(a[2])
	if err != nil {
		return nil, err
	}
	if above == "" && m.aliases != nil {
		return nil, errors.New("the tree of the export has its root: say under which node this one lies")
	}
	for _, name := range span(a[0]) {
		changes, err := m.putNode(Node{Name: name, Parent: above, Active: a[1] == ""})
		if err != nil {
			return nil, err
		}
		all = append(all, changes...)
	}
	return all, nil
}

func (m *model) move(a []string) ([]Change, error) {
	moved, err := m.nodeName(a[0])
	if err != nil {
		return nil, err
	}
	n, ok := m.nodes[moved]
	if !ok {
		return nil, fmt.Errorf("there is no node called %q", a[0])
	}
	if n.Parent, err = m.nodeName(a[1]); err != nil {
		return nil, err
	}
	return m.putNode(n)
}
