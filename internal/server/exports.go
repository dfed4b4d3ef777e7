package server

import (
	"context"
	"strings"

	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// exportPart is what files of the audit log are of every Environment: they end with it.
type exportPart struct{}

// Found implements environment.Part: a new Environment has no file.
func (exportPart) Found(context.Context, *database.Tx, environment.New) error { return nil }

// Cut implements environment.Part: nothing is made or served any more.
func (exportPart) Cut(ctx context.Context, tx *database.Tx, in scope.Environment) (environment.Removed, error) {
	return environment.Removed{}, export.Cut(ctx, tx, in.ID)
}

// Sweep implements environment.Part.
func (exportPart) Sweep(ctx context.Context, tx *database.Tx, gone environment.ID) (done bool, err error) {
	return export.SweepEnvironment(ctx, tx, gone)
}

func newExports(p *platform) (*export.Service, *export.Worker) {
	worker := export.NewWorker(export.WorkerConfig{DB: p.db, Log: p.log})
	return &export.Service{
		DB: p.db, Box: p.box, Public: strings.TrimSuffix(p.public, "/"), Wake: worker.Wake,
	}, worker
}
