// Package task runs work beside what asked for it. A panic in such work would end the
// process; here it is logged with its stack, and ends that work alone. An arch test holds
// that every goroutine begins with it.
package task

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"
)

// pause is how long a task rests that has panicked, so that one that always does so does
// not fill the log.
const pause = 5 * time.Second

// Try runs work, and reports whether it came to its end: a panic is logged.
func Try(ctx context.Context, log *slog.Logger, what string, work func()) (ended bool) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "panic in the background", "task", what, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	work()
	return true
}

// Keep runs work that goes on until ctx ends. After a panic it begins again, five
// seconds later. It returns when work does.
func Keep(ctx context.Context, log *slog.Logger, what string, work func(context.Context)) {
	keep(ctx, log, what, pause, work)
}

func keep(ctx context.Context, log *slog.Logger, what string, pause time.Duration, work func(context.Context)) {
	for !Try(ctx, log, what, func() { work(ctx) }) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
