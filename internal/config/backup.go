package config

import (
	"errors"
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// mostCopies is how many backups may be kept.
const mostCopies = 1000

// checkBackups tells what no schedule of backups can be.
func (c *Checked) checkBackups() error {
	if c.BackupDir == "" {
		return nil
	}
	var problems []error
	if _, lite := database.SQLitePath(c.DatabaseURL); !lite {
		problems = append(problems, errors.New("CANOPY_BACKUP_DIR is for SQLite: "+
			"have PostgreSQL's own pg_dump --format=custom run on a schedule"))
	}
	if c.BackupEvery < time.Minute || c.BackupEvery > 8760*time.Hour {
		problems = append(problems, errors.New("CANOPY_BACKUP_EVERY must be 1m0s to 8760h0m0s"))
	}
	if c.BackupKeep < 1 || c.BackupKeep > mostCopies {
		problems = append(problems, errors.New("CANOPY_BACKUP_KEEP must be 1 to 1000"))
	}
	return errors.Join(problems...)
}
