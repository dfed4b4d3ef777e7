package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// Result is what came of one file.
type Result struct {
	Text     []byte   // the file with the answers that were given
	Wrong    []string // questions that were answered otherwise than the file says
	Asked    int      // questions answered
	DoorOnly int      // questions that only a Door can be asked
}

// Run makes the world of a file, asks and edits as it says, and compares the
// answers. The error is a mistake in the file, or a change that failed.
func Run(file []byte, e Engine) (*Result, error) {
	r := &runner{engine: e}
	ar := txtar.Parse(file)
	if len(bytes.TrimSpace(ar.Comment)) == 0 {
		return nil, errors.New("no comment says what this shows")
	}
	if len(ar.Files) == 0 || ar.Files[0].Name != "world" {
		return nil, errors.New("the first section is not the world")
	}
	for i := range ar.Files {
		f := &ar.Files[i]
		lines := strings.Split(strings.TrimRight(string(f.Data), "\n"), "\n")
		kind, _, _ := strings.Cut(f.Name, ":")
		var err error
		switch kind {
		case "world":
			r.world = strip(lines)
			err = r.begin()
		case "again":
			err = r.begin()
		case "edit":
			err = r.edit(strip(lines))
		case "ask":
			if lines, err = r.ask(lines); err == nil {
				f.Data = []byte(strings.Join(lines, "\n") + "\n")
			}
		default:
			err = errors.New("is not a kind of section")
		}
		if err != nil {
			return nil, fmt.Errorf("section %q: %w", f.Name, err)
		}
	}
	r.result.Text = txtar.Format(ar)
	return &r.result, nil
}

type runner struct {
	engine Engine
	world  []string
	model  *model
	env    Environment
	now    time.Time
	result Result
}

func (r *runner) begin() error {
	r.model, r.env = newModel(), r.engine.New()
	return r.edit(r.world)
}

func (r *runner) edit(lines []string) error {
	changes, err := r.model.statements(lines)
	if err != nil {
		return err
	}
	return r.env.Apply(changes)
}

// strip takes notes and blank space off the ends of lines.
func strip(lines []string) []string {
	var list []string
	for _, line := range lines {
		line, _ := note(line)
		list = append(list, line)
	}
	return list
}

// note cuts a line before its note.
func note(line string) (text, note string) {
	if strings.HasPrefix(strings.TrimSpace(line), "#") {
		return "", line
	}
	before, _, noted := strings.Cut(line, " #")
	text = strings.TrimRight(before, " ")
	if noted {
		note = line[len(text):]
	}
	return text, note
}

// ask asks what the lines of a section ask, and returns them with the answers
// that came. An answer is what stands behind => and on the lines set in below.
func (r *runner) ask(lines []string) ([]string, error) {
	var out []string
	for i := 0; i < len(lines); i++ {
		text, remark := note(lines[i])
		if t, ok := strings.CutPrefix(text, "now "); ok {
			now, err := time.Parse(time.RFC3339Nano, t)
			if err != nil {
				return nil, err
			}
			r.now = now
		}
		question, want, asked := strings.Cut(text, " =>")
		if !asked {
			if text != "" && !strings.HasPrefix(text, "now ") {
				return nil, fmt.Errorf("%q is not a question", text)
			}
			out = append(out, lines[i])
			continue
		}
		expected := []string{strings.TrimSpace(want)}
		if expected[0] == "" {
			expected = nil
		}
		first := i
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			text, _ := note(lines[i])
			expected = append(expected, strings.TrimSpace(text))
		}
		if r.now.IsZero() {
			return nil, fmt.Errorf("%q: when? A line \"now …\" is missing", question)
		}
		got, err := r.answer(question)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", question, err)
		}
		if got == nil {
			r.result.DoorOnly++
			out = append(out, lines[first:i+1]...)
			continue
		}
		r.result.Asked++
		if strings.Join(got, "\n") == strings.Join(expected, "\n") {
			out = append(out, lines[first:i+1]...)
			continue
		}
		r.result.Wrong = append(r.result.Wrong, fmt.Sprintf("%s\n  now %s\n  want %s\n  got  %s",
			question, r.now.Format(time.RFC3339Nano), strings.Join(expected, "\n       "), strings.Join(got, "\n       ")))
		// One line stays beside the question unless it stood below.
		if len(got) == 1 && (want != "" || len(expected) == 0) {
			out = append(out, question+" => "+got[0]+remark)
			continue
		}
		out = append(out, question+" =>"+remark)
		for _, line := range got {
			out = append(out, "  "+line)
		}
	}
	return out, nil
}

var (
	subject  = `("[^"]*"|` + name[1:]
	askNode  = form(subject + ` (\S+) at ` + subject)
	askAny   = form(subject + ` (\S+) anywhere(?: at ` + subject + `)?`)
	askKeys  = form(`permissions of ` + subject)
	askGrant = form(`grants of ` + subject)
	askWhy   = form(`explain ` + subject + ` (\S+) at ` + subject)
	askReach = form(`nodes of ` + subject + ` with (\S+)`)
	askWho   = form(`who has (\S+) at ` + subject)
	askWhat  = form(`impact of (.+)`)
)

// answer is nil for a question that the environment cannot be asked.
func (r *runner) answer(text string) ([]string, error) {
	match := func(f interface{ FindStringSubmatch(string) []string }) []string { return f.FindStringSubmatch(text) }
	if a := match(askWhat); a != nil {
		changes, err := r.model.clone().statements(strings.Split(a[1], "; "))
		if err != nil {
			return nil, err
		}
		return renderImpact(r.env.Impact(changes, r.now)), nil
	}
	if a := match(askKeys); a != nil {
		if err := r.model.known("identity", a[1]); err != nil {
			return nil, err
		}
		return renderKeys(r.env.Permissions(a[1], r.now)), nil
	}
	if a := match(askGrant); a != nil {
		if err := r.model.known("identity", a[1]); err != nil {
			return nil, err
		}
		return renderGrants(r.env.Grants(a[1], r.now)), nil
	}
	if a := match(askReach); a != nil {
		if err := r.model.known("identity", a[1]); err != nil {
			return nil, err
		}
		return renderReach(r.env.Nodes(a[1], a[2], r.now)), nil
	}
	if a := match(askWho); a != nil {
		if err := r.model.known("node", a[2]); err != nil {
			return nil, err
		}
		return renderWho(r.env.Who(a[1], a[2], r.now)), nil
	}
	if a := match(askWhy); a != nil {
		q, err := r.question(a[1], a[2], a[3], false)
		if err != nil {
			return nil, err
		}
		return renderTrace(r.env.Explain(q)), nil
	}
	var q Question
	var err error
	if a := match(askAny); a != nil {
		q, err = r.question(a[1], a[2], a[3], true)
	} else if a := match(askNode); a != nil {
		q, err = r.question(a[1], a[2], a[3], false)
	} else {
		err = errors.New("is not a question")
	}
	if err != nil {
		return nil, err
	}
	if q.malformed() {
		door, ok := r.env.(Door)
		if !ok {
			return nil, nil
		}
		return []string{door.Malformed(q)}, nil
	}
	return renderVerdict(r.env.Evaluate(q)), nil
}

// question names no node where the file says "nothing".
func (r *runner) question(identity, permission, node string, anywhere bool) (Question, error) {
	q := Question{Identity: identity, Permission: permission, Node: node, Anywhere: anywhere, Now: r.now}
	if node == "nothing" {
		q.Node = ""
	}
	if q.Node != "" {
		if err := r.model.known("node", node); err != nil {
			return q, err
		}
	}
	return q, r.model.known("identity", identity)
}
