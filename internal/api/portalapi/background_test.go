package portalapi_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"canopy.dev/canopy/internal/api/portalapi"
	"canopy.dev/canopy/internal/foundation/fault"
)

// Work outlives its call, keeps what the call carried, and is waited for.
func TestBackgroundOutlivesTheCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		b := portalapi.Background{Log: slog.New(slog.DiscardHandler)}
		ctx, end := context.WithCancel(context.WithValue(t.Context(), key{}, "carried"))
		done := false
		b.Go(ctx, "work", func(ctx context.Context) error {
			time.Sleep(time.Second)
			done = ctx.Err() == nil && ctx.Value(key{}) == "carried"
			return nil
		})
		end()
		synctest.Wait()
		if done {
			t.Error("the call waited for it")
		}
		b.Wait()
		if !done {
			t.Error("not waited for, or ended with the call")
		}
	})
}

func TestBackgroundEndsAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := portalapi.Background{Log: slog.New(slog.DiscardHandler)}
		begin := time.Now()
		b.Go(t.Context(), "work", func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		b.Wait()
		if took := time.Since(begin); took != 30*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

// A no is nothing to log: nobody is there to hear it. Anything else is.
func TestBackgroundLogsErrorsAndNoFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"done": {nil, ""}, "a fault": {fault.RateLimited, ""},
		"an error": {errors.New("no rows"), `level=ERROR msg="resend a link" error="no rows"`},
	} {
		var log bytes.Buffer
		b := portalapi.Background{Log: slog.New(slog.NewTextHandler(&log, nil))}
		b.Go(t.Context(), "resend a link", func(context.Context) error { return c.err })
		b.Wait()
		if got := log.String(); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
}
