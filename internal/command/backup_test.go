package command_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/database/dbtest"
)

// TestServerMakesBackups as the settings say.
func TestServerMakesBackups(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "backups")
	_, stop := serveWith(t, "--database-url", dbtest.URL(t, database.SQLite), "--secret-key", zeroKey,
		"--backup-dir", folder)
	var found []string
	for range 600 {
		if found, _ = filepath.Glob(filepath.Join(folder, "canopy-*Z.db")); len(found) > 0 {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if code := stop(); len(found) != 1 || code != 0 {
		t.Fatalf("it ends with %d, and there is %v", code, found)
	}
	back := "sqlite:" + filepath.Join(t.TempDir(), "back.db")
	if said, code := runProgram(t, "restore", "--from", found[0], "--database-url", back); code != 0 {
		t.Error(said)
	}
}

func TestScheduleThatCanNotBeEndsTheStart(t *testing.T) {
	t.Parallel()
	for want, flags := range map[string][]string{
		"CANOPY_BACKUP_DIR is for SQLite: have PostgreSQL's own pg_dump": {
			"--backup-dir", "copies", "--database-url", "postgres://db.example.com/canopy",
		},
		"CANOPY_BACKUP_EVERY must be 1m0s to": {"--backup-dir", "copies", "--backup-every", "1s"},
		"CANOPY_BACKUP_KEEP must be 1 to":     {"--backup-dir", "copies", "--backup-keep", "0"},
	} {
		if said, code := runProgram(t, append([]string{"serve"}, flags...)...); code != 1 || !strings.Contains(said, want) {
			t.Errorf("%d, want %q: %s", code, want, said)
		}
	}
}
