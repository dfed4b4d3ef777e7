package command

import (
	"context"
	"errors"
	"fmt"
	"time"

	"canopy.dev/canopy/internal/events/seal"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/database"
)

type auditCmd struct {
	Verify auditVerify `cmd:"" help:"Find rows of the audit log that were changed, removed, added or put elsewhere behind the server's back. It writes nothing."`
}

type auditVerify struct {
	Account string `help:"The id of one Account; all when not given." placeholder:"ID"`
}

// errTouched says that something was found.
var errTouched = errors.New("the audit log does not agree with its seal")

// Run goes through the orders of Accounts, a line each.
func (v *auditVerify) Run(ctx context.Context, e *environment) error {
	c, err := e.settings.Check()
	if err != nil {
		return err
	}
	db, err := database.Look(ctx, c.DatabaseURL, time.Now)
	if err != nil {
		return err
	}
	defer db.Close()
	s := &seal.Service{DB: db, Log: e.logger()}
	orders, err := v.orders(ctx, s)
	if err != nil {
		return err
	}
	findings := 0
	found := func(f seal.Finding) {
		findings++
		fmt.Fprintln(e.Stdout, "FAIL ", f)
	}
	for _, of := range orders {
		before := findings
		r, err := s.Verify(ctx, of, found)
		if err != nil {
			return err
		}
		if findings == before {
			fmt.Fprintf(e.Stdout, "ok    account %s: %d entries, the last is sealed by %s\n", of, r.Entries, r.Hash)
		}
	}
	var only *scope.AccountID
	if v.Account != "" {
		only = &orders[0]
	}
	if err := s.VerifyRows(ctx, only, found); err != nil {
		return err
	}
	if findings > 0 {
		return errTouched
	}
	return nil
}

func (v *auditVerify) orders(ctx context.Context, s *seal.Service) ([]scope.AccountID, error) {
	if v.Account == "" {
		return s.Orders(ctx)
	}
	of, err := id.Parse[scope.AccountID](v.Account)
	if err != nil {
		return nil, usage{fmt.Errorf("--account: %q is no id", v.Account)}
	}
	return []scope.AccountID{of}, nil
}
