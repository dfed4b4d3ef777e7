// Package backup copies a SQLite database on a schedule into a folder of its own, and
// removes the oldest copies beyond those that are kept. It removes nothing that is not named
// as it names copies, restores nothing, and knows no PostgreSQL.
package backup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"canopy.dev/canopy/internal/foundation/private"
	"canopy.dev/canopy/internal/platform/database"
)

const (
	// lookEvery is how often it is looked whether a copy is due: clocks are set, and machines
	// sleep.
	lookEvery = time.Minute
	// retryAfter is how long a failed copy rests, unless the next one is due earlier.
	retryAfter = 10 * time.Minute

	layout = "20060102T150405Z"
)

var (
	ours = regexp.MustCompile(`^canopy-(\d{8}T\d{6}Z)\.db$`)
	cut  = regexp.MustCompile(`^canopy-\d{8}T\d{6}Z\.db\.part(-journal)?$`)
)

// Config says what is copied where.
type Config struct {
	Database string // path of the SQLite file
	Folder   string // made if missing; one for each install
	Every    time.Duration
	Keep     int // copies
	Log      *slog.Logger
	Now      func() time.Time
}

// Schedule makes the copies. It is safe for concurrent use.
type Schedule struct {
	Config

	mu    sync.Mutex
	known bool      // last has been looked up
	tried time.Time // the last failure
	now   State
}

// State is what was done so far.
type State struct {
	Last         time.Time // of the newest good copy; zero without one
	Made, Failed uint64    // by this process
}

// New makes a schedule; Run keeps it.
func New(c Config) *Schedule { return &Schedule{Config: c} }

// State tells what was done so far.
func (s *Schedule) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Run makes copies when they are due until ctx ends; the first at once where the newest is
// older than Every. A failure is logged, counted and tried again ten minutes later.
func (s *Schedule) Run(ctx context.Context) {
	for {
		if err := s.Do(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "backup on schedule", "folder", s.Folder, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(lookEvery):
		}
	}
}

// Do makes a copy if one is due, and removes what is then too many.
func (s *Schedule) Do(ctx context.Context) error {
	now := s.Now().UTC()
	due, err := s.due(now)
	if !due && err == nil {
		return nil
	}
	if err == nil {
		err = database.Copy(ctx, s.Database, filepath.Join(s.Folder, "canopy-"+now.Format(layout)+".db"))
	}
	s.mu.Lock()
	if err != nil {
		s.now.Failed++
		s.tried = now
		s.mu.Unlock()
		return err
	}
	s.now.Made++
	s.now.Last, s.tried = now, time.Time{}
	s.mu.Unlock()
	return s.prune()
}

// due reports whether a copy is to be made. What lies in the future of a clock that was set
// back counts as now: nothing waits for longer than Every.
func (s *Schedule) due(now time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tried.After(now) {
		s.tried = now
	}
	if !s.tried.IsZero() && now.Sub(s.tried) < min(retryAfter, s.Every) {
		return false, nil
	}
	if !s.known {
		if err := private.Folder(s.Folder); err != nil {
			return false, err
		}
		names, err := s.names(ours)
		if err != nil {
			return false, err
		}
		if len(names) > 0 {
			// A day that no calendar has is as old as can be.
			s.now.Last, _ = time.Parse(layout, ours.FindStringSubmatch(names[len(names)-1])[1])
		}
		s.known = true
	}
	if s.now.Last.After(now) {
		s.now.Last = now
	}
	return s.now.Last.IsZero() || now.Sub(s.now.Last) >= s.Every, nil
}

// prune removes the oldest copies beyond Keep, and what copies have left that were cut off.
func (s *Schedule) prune() error {
	copies, err := s.names(ours)
	if err != nil {
		return err
	}
	gone, err := s.names(cut)
	if err != nil {
		return err
	}
	gone = append(gone, copies[:max(0, len(copies)-s.Keep)]...)
	var problems []error
	for _, name := range gone {
		problems = append(problems, os.Remove(filepath.Join(s.Folder, name)))
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("old backups can't be removed: %w", err)
	}
	return nil
}

// names are those of the folder's files that have a pattern, the oldest first.
func (s *Schedule) names(pattern *regexp.Regexp) ([]string, error) {
	entries, err := os.ReadDir(s.Folder)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && pattern.MatchString(e.Name()) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
