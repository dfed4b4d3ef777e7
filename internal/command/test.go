package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"canopy.dev/canopy/internal/access/scenario"
	"canopy.dev/canopy/internal/foundation/fault"
)

type testCmd struct {
	Files []string `arg:"" name:"file" help:"Scenario files: a small world, questions, and the answers that are expected."`
	World string   `help:"An Environment's export, which lies beneath the worlds of the files." placeholder:"FILE"`
	JUnit string   `name:"junit" help:"Write a report for CI, too." placeholder:"FILE"`
}

// Run asks all questions of all files on the decision engine, without a server.
func (v *testCmd) Run(ctx context.Context, e *environment) error {
	var world *scenario.World
	if v.World != "" {
		raw, err := os.ReadFile(v.World)
		if err != nil {
			return usage{err}
		}
		if world, err = scenario.ReadExport(ctx, raw); err != nil {
			return usage{fmt.Errorf("%s is no export of an Environment: %s", v.World, whatIsWrong(err))}
		}
	}
	var files []scenario.File
	asked, wrong, broken := 0, 0, 0
	for _, name := range v.Files {
		f := v.one(name, world)
		files = append(files, f)
		if f.Err != nil {
			broken++
			fmt.Fprintln(e.Stderr, f.Err)
			continue
		}
		for _, w := range f.Result.Wrong {
			fmt.Fprintf(e.Stdout, "%s:%d: %s\n", name, w.Line, w)
		}
		state := "ok  "
		if len(f.Result.Wrong) > 0 {
			state = "FAIL"
		}
		n := len(f.Result.Answers)
		fmt.Fprintf(e.Stdout, "%s  %s: %d of %d questions hold\n", state, name, n-len(f.Result.Wrong), n)
		asked, wrong = asked+n, wrong+len(f.Result.Wrong)
	}
	if v.JUnit != "" {
		report, err := scenario.JUnit(files)
		if err == nil {
			err = os.WriteFile(v.JUnit, report, 0o600) //nolint:gosec // where the caller says
		}
		if err != nil {
			return usage{err}
		}
	}
	switch {
	case broken > 0:
		return usage{fmt.Errorf("%d of %d files can't be run", broken, len(files))}
	case wrong > 0:
		return fmt.Errorf("%d of %d questions were answered otherwise", wrong, asked)
	}
	return nil
}

// one runs a file. What is wrong with it begins with its name and the line.
func (v *testCmd) one(name string, world *scenario.World) scenario.File {
	f := scenario.File{Name: name}
	raw, err := os.ReadFile(name)
	if err != nil {
		f.Err = err
		return f
	}
	f.Result, err = scenario.RunOn(raw, asDoor{scenario.Named(scenario.Offline)}, world)
	mistake, is := errors.AsType[*scenario.FileError](err)
	switch {
	case is:
		f.Err = fmt.Errorf("%s:%d: %w", name, mistake.Line, mistake.Err)
	case err != nil:
		f.Err = fmt.Errorf("%s: %w", name, err)
	case len(f.Result.Answers) == 0:
		f.Err = fmt.Errorf("%s:1: it asks nothing", name)
	}
	return f
}

// whatIsWrong is an error with the details that a fault has, in one line.
func whatIsWrong(err error) string {
	if f := fault.As(err); f != nil && len(f.Details) > 0 {
		return strings.Join(f.Details, "; ")
	}
	return err.Error()
}

// asDoor is the engine with the one refusal of a server that files may expect.
type asDoor struct{ scenario.Engine }

// New implements scenario.Engine.
func (d asDoor) New() scenario.Environment { return doorWay{d.Engine.New()} }

type doorWay struct{ scenario.Environment }

// Malformed implements scenario.Door.
func (doorWay) Malformed(scenario.Question) string { return "400 validation" }
