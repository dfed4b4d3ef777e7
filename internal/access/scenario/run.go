package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// Result is what came of one file.
type Result struct {
	Text     []byte     // the file with the answers that were given
	Answers  []Answered // in their order
	Wrong    []Wrong    // questions that were answered otherwise than the file says
	Asked    int        // questions answered
	DoorOnly int        // questions that only a Door can be asked
}

// Answered is a question that was answered.
type Answered struct {
	Line     int
	Question string
	Wrong    *Wrong // nil where the answer is that of the file
}

// Wrong is a question that was answered otherwise than the file says.
type Wrong struct {
	Line      int
	Question  string
	Now       time.Time
	Want, Got []string // lines
	Why       []string // what led to the answer, where there is more to say
}

// String tells all of it, in several lines.
func (w Wrong) String() string {
	lines := func(list []string) string { return strings.Join(list, "\n       ") }
	told := fmt.Sprintf("%s\n  now  %s\n  want %s\n  got  %s",
		w.Question, w.Now.Format(time.RFC3339Nano), lines(w.Want), lines(w.Got))
	if len(w.Why) > 0 {
		told += "\n  why  " + lines(w.Why)
	}
	return told
}

// Run makes the world of a file, asks and edits as it says, and compares the
// answers. The error is a mistake in the file, or a change that failed.
func Run(file []byte, e Engine) (*Result, error) { return RunOn(file, e, nil) }

// RunOn is Run with an exported world beneath that of the file, which then need not have one
// of its own; nil is none.
func RunOn(file []byte, e Engine, base *World) (*Result, error) {
	r := &runner{engine: e, base: base}
	ar := txtar.Parse(file)
	if len(bytes.TrimSpace(ar.Comment)) == 0 {
		return nil, &FileError{1, errors.New("no comment says what this shows")}
	}
	line := 1 + bytes.Count(ar.Comment, []byte("\n")) // of the head of a section
	if len(ar.Files) == 0 || ar.Files[0].Name != "world" && base == nil {
		return nil, &FileError{line, errors.New("the first section is not the world")}
	}
	if ar.Files[0].Name != "world" {
		if err := r.begin(); err != nil {
			return nil, &FileError{line, err}
		}
	}
	for i := range ar.Files {
		f := &ar.Files[i]
		if err := r.section(f, line+1); err != nil {
			if _, told := errors.AsType[*FileError](err); !told {
				err = &FileError{line, fmt.Errorf("section %q: %w", f.Name, err)}
			}
			return nil, err
		}
		line += 1 + bytes.Count(f.Data, []byte("\n"))
	}
	r.result.Text = txtar.Format(ar)
	return &r.result, nil
}

type runner struct {
	engine Engine
	base   *World
	world  []string
	first  int // the number of the first line of the world
	model  *model
	env    Environment
	now    time.Time
	result Result
}

// section does what a section says. first is the number of its first line.
func (r *runner) section(f *txtar.File, first int) (err error) {
	data := string(f.Data)
	lines := strings.Split(strings.TrimRight(data, "\n"), "\n")
	switch kind, _, _ := strings.Cut(f.Name, ":"); kind {
	case "world":
		r.world, r.first = strip(lines), first
		return r.begin()
	case "again":
		return r.begin()
	case "edit":
		return r.edit(strip(lines), first)
	case "ask":
		if lines, err = r.ask(lines, first); err == nil {
			f.Data = []byte(strings.Join(lines, "\n") + "\n")
		}
		return err
	}
	return errors.New("is not a kind of section")
}

// begin makes the world anew, in one transaction.
func (r *runner) begin() error {
	r.model, r.env = newModel(), r.engine.New()
	var below []Change
	if r.base != nil {
		below = r.base.Changes
		if err := r.model.adopt(r.base); err != nil {
			return err
		}
	}
	changes, err := r.model.statements(r.world, r.first)
	if err != nil {
		return err
	}
	return r.env.Apply(append(slices.Clip(below), changes...))
}

func (r *runner) edit(lines []string, first int) error {
	changes, err := r.model.statements(lines, first)
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
func (r *runner) ask(lines []string, first int) ([]string, error) {
	var out []string
	for i := 0; i < len(lines); i++ {
		text, remark := note(lines[i])
		if t, ok := strings.CutPrefix(text, "now "); ok {
			now, err := time.Parse(time.RFC3339Nano, t)
			if err != nil {
				return nil, &FileError{first + i, err}
			}
			r.now = now
		}
		question, want, asked := strings.Cut(text, " =>")
		if !asked {
			if text != "" && !strings.HasPrefix(text, "now ") {
				return nil, &FileError{first + i, fmt.Errorf("%q is not a question", text)}
			}
			out = append(out, lines[i])
			continue
		}
		x := expectation{line: first + i, question: question, beside: want, remark: remark}
		if want := strings.TrimSpace(want); want != "" {
			x.want = []string{want}
		}
		from := i
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], " ") {
			i++
			text, _ := note(lines[i])
			x.want = append(x.want, strings.TrimSpace(text))
		}
		told, err := r.hold(x, lines[from:i+1])
		if err != nil {
			return nil, &FileError{x.line, fmt.Errorf("%q: %w", question, err)}
		}
		out = append(out, told...)
	}
	return out, nil
}

// expectation is a question with the answer that the file says.
type expectation struct {
	line     int
	question string
	beside   string // what stands beside the question
	remark   string
	want     []string
}

// hold asks a question, and returns its lines with the answer that came.
func (r *runner) hold(x expectation, lines []string) ([]string, error) {
	if r.now.IsZero() {
		return nil, errors.New("when? A line \"now …\" is missing")
	}
	got, err := r.answer(x.question, x.line)
	switch {
	case err != nil:
		return nil, err
	case got == nil:
		r.result.DoorOnly++
		return lines, nil
	}
	r.result.Asked++
	if slices.Equal(got, x.want) {
		r.result.Answers = append(r.result.Answers, Answered{x.line, x.question, nil})
		return lines, nil
	}
	w := Wrong{x.line, x.question, r.now, x.want, got, r.why(x.question)}
	r.result.Wrong = append(r.result.Wrong, w)
	r.result.Answers = append(r.result.Answers, Answered{x.line, x.question, &w})
	// One line stays beside the question unless it stood below.
	if len(got) == 1 && (x.beside != "" || len(x.want) == 0) {
		return []string{x.question + " => " + got[0] + x.remark}, nil
	}
	out := []string{x.question + " =>" + x.remark}
	for _, line := range got {
		out = append(out, "  "+line)
	}
	return out, nil
}

// why is what led to the answer of a question whether somebody may do something.
func (r *runner) why(text string) []string {
	if a := match(askNode, text); a != nil {
		if q, err := r.question(a[1], a[2], a[3], false); err == nil && !q.malformed() {
			return renderTrace(r.env.Explain(q))
		}
	}
	if a := match(askAny, text); a != nil {
		who := a[1]
		lines := []string{"grants of " + who + ":"}
		return append(lines, renderGrants(r.env.Grants(who, r.now))...)
	}
	return nil
}

// match gives the pieces of a question of some form, names without their quotes.
func match(f *regexp.Regexp, text string) []string {
	a := f.FindStringSubmatch(text)
	if a != nil {
		unquoted(a[1:])
	}
	return a
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
func (r *runner) answer(text string, line int) ([]string, error) {
	match := func(f *regexp.Regexp) []string { return match(f, text) }
	if a := match(askWhat); a != nil {
		changes, err := r.model.clone().statements(strings.Split(a[1], "; "), line)
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
		at, err := r.node(a[2])
		if err != nil {
			return nil, err
		}
		return renderWho(r.env.Who(a[1], at, r.now)), nil
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
	q := Question{Identity: identity, Permission: permission, Anywhere: anywhere, Now: r.now}
	if node != "nothing" && node != "" {
		var err error
		if q.Node, err = r.node(node); err != nil {
			return q, err
		}
	}
	return q, r.model.known("identity", identity)
}

// node is what a node is called that a question names.
func (r *runner) node(word string) (string, error) {
	name, err := r.model.nodeName(word)
	if err != nil {
		return "", err
	}
	return name, r.model.known("node", name)
}
