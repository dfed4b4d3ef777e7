package command

import (
	"context"

	"canopy.dev/canopy/internal/access/decide/decidebench"
)

type benchCmd struct {
	Decide benchDecide `cmd:"" help:"Measure the decision engine on a generated world."`
}

type benchDecide struct {
	decidebench.Options `embed:""`
}

// Run measures and prints.
func (v *benchDecide) Run(ctx context.Context, e *environment) error {
	return decidebench.Run(ctx, v.Options, e.Stdout, e.Stderr)
}
