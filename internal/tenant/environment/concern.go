package environment

import (
	"time"

	"canopy.dev/canopy/internal/platform/database"
)

// Concern is how many things want somebody's attention. It is of an Environment where that has
// slugs, else of the Account.
type Concern struct {
	Application, Environment string // slugs
	Count                    int
	Since                    time.Time // of the first of them: when it failed, or will end
}

// ScanConcern reads a row of both slugs, the number and the instant.
func ScanConcern(row database.Scanner) (c Concern, err error) {
	return c, row.Scan(&c.Application, &c.Environment, &c.Count, &c.Since)
}
