package backup_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/backup"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// install is a real database with a schedule and a clock that is turned by hand.
type install struct {
	t    *testing.T
	c    backup.Config
	time time.Time
	*backup.Schedule
}

func newInstall(t *testing.T) *install {
	t.Helper()
	path := dbtest.Open(t, database.SQLite, time.Now).Path
	i := &install{t: t, time: time.Date(2026, 11, 27, 16, 0, 0, 0, time.UTC)}
	i.c = backup.Config{
		Database: path, Folder: filepath.Join(t.TempDir(), "a", "backups"), Every: 24 * time.Hour, Keep: 3,
		Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return i.time },
	}
	i.Schedule = backup.New(i.c)
	return i
}

// after lets time pass and has it done what is due then.
func (i *install) after(d time.Duration) {
	i.t.Helper()
	i.time = i.time.Add(d)
	if err := i.Do(i.t.Context()); err != nil {
		i.t.Fatal(err)
	}
}

func (i *install) has(what string, want ...string) {
	i.t.Helper()
	entries, err := os.ReadDir(i.c.Folder)
	if err != nil {
		i.t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		i.t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestCopiesAreMadeWhenDueAndTheOldestGo(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.after(0)
	i.has("at the start", "canopy-20261127T160000Z.db")
	to := filepath.Join(t.TempDir(), "restored.db")
	if err := database.Restore(t.Context(), filepath.Join(i.c.Folder, "canopy-20261127T160000Z.db"), to); err != nil {
		t.Errorf("it can't be restored: %v", err)
	}
	i.after(23 * time.Hour)
	i.has("a while later", "canopy-20261127T160000Z.db")

	// What others have put there stays, and half a copy does not count.
	kept := []string{"canopy.db", "canopy-20201127T160000Z.db.bak", "notes-20201127T160000Z.db"}
	half := []string{"canopy-20291127T160000Z.db.part", "canopy-20291127T160000Z.db.part-journal"}
	for _, name := range slices.Concat(kept, half) {
		if err := os.WriteFile(filepath.Join(i.c.Folder, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.Schedule = backup.New(i.c) // another process
	i.after(59 * time.Minute)
	i.after(time.Minute)
	i.has("the next day", append(slices.Clone(kept), "canopy-20261127T160000Z.db", "canopy-20261128T160000Z.db")...)
	i.after(24 * time.Hour)
	i.after(48 * time.Hour)
	i.has("days later", append(slices.Clone(kept),
		"canopy-20261128T160000Z.db", "canopy-20261129T160000Z.db", "canopy-20261201T160000Z.db")...)
	if got := i.State(); got.Made != 3 || got.Failed != 0 || !got.Last.Equal(i.time) {
		t.Errorf("%+v", got)
	}
}

// TestClockThatIsSetBack: the next copy comes after Every at the latest.
func TestClockThatIsSetBack(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.after(0)
	i.after(-240 * time.Hour)
	i.after(24 * time.Hour)
	i.has("a day later", "canopy-20261118T160000Z.db", "canopy-20261127T160000Z.db")
}

// TestFailureIsCountedAndTriedAgain, after a pause.
func TestFailureIsCountedAndTriedAgain(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	aside := i.c.Database + ".aside"
	if err := os.Rename(i.c.Database, aside); err != nil {
		t.Fatal(err)
	}
	if err := i.Do(t.Context()); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("%v", err)
	}
	i.has("nothing half")
	if err := os.Rename(aside, i.c.Database); err != nil {
		t.Fatal(err)
	}
	i.after(9 * time.Minute)
	i.has("within the pause")
	i.after(time.Minute)
	i.has("after it", "canopy-20261127T161000Z.db")
	if got := i.State(); got.Made != 1 || got.Failed != 1 {
		t.Errorf("%+v", got)
	}
}
