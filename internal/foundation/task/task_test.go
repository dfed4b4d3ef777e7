package task

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestPanicIsLoggedWithItsStackAndTheTaskGoesOn(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	log := slog.New(slog.NewTextHandler(&said, nil))
	runs := 0
	keep(t.Context(), log, "sweep", time.Millisecond, func(context.Context) {
		if runs++; runs < 3 {
			panic("in the middle")
		}
	})
	if runs != 3 {
		t.Errorf("it ran %d times", runs)
	}
	for _, want := range []string{"task=sweep", `panic="in the middle"`, "task_test.go"} {
		if n := strings.Count(said.String(), want); n < 2 {
			t.Errorf("%d times %s in %s", n, want, &said)
		}
	}
}

func TestTaskThatPanicsEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	Keep(ctx, slog.New(slog.DiscardHandler), "sweep", func(context.Context) {
		cancel()
		panic("at the end")
	})
	if ctx.Err() == nil {
		t.Error("it has ended by itself")
	}
}

func TestTryTellsWhetherItCameToItsEnd(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	if !Try(t.Context(), log, "x", func() {}) || Try(t.Context(), log, "x", func() { panic("x") }) {
		t.Error("it does not")
	}
}
