package servertest_test

import (
	"testing"

	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/server/servertest"
)

// BenchmarkNew measures what every test of a whole server pays first. With
// hundreds of such tests each millisecond counts.
func BenchmarkNew(b *testing.B) {
	for _, engine := range []database.Engine{database.SQLite, database.Postgres} {
		b.Run(string(engine), func(b *testing.B) {
			for b.Loop() {
				servertest.New(b, engine, nil)
			}
		})
	}
}
