package portalapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/account"
)

type accountView struct {
	ID        id.ID          `json:"id"`
	Name      string         `json:"name"`
	Slug      string         `json:"slug"`
	Settings  jsontext.Value `json:"settings"`
	Plan      string         `json:"plan"`
	Version   int            `json:"version"`
	CreatedAt time.Time      `json:"created_at"`
	UpdatedAt time.Time      `json:"updated_at"`
}

func viewAccount(a account.Account) accountView {
	return accountView{a.ID, a.Name, a.Slug, a.Settings, a.Plan, a.Version, a.CreatedAt, a.UpdatedAt}
}

type accountPatch struct {
	Name     *string        `json:"name,omitempty" nullable:"false"`
	Settings map[string]any `json:"settings,omitempty" nullable:"false"`
}

// Check implements wire.Checked.
func (b *accountPatch) Check(p *fault.Problems) {
	if b.Name != nil {
		keep(p, "name", b.Name, text.Name)
	}
	if b.Settings != nil {
		if raw, err := wire.Encode(b.Settings); err != nil || len(raw) > 64<<10 || depth(b.Settings) > 8 {
			p.Add("settings", "must be at most 64 KiB and 8 levels deep")
		}
	}
}

func depth(v any) int {
	deepest := 0
	switch t := v.(type) {
	case map[string]any:
		for _, inner := range t {
			deepest = max(deepest, depth(inner))
		}
	case []any:
		for _, inner := range t {
			deepest = max(deepest, depth(inner))
		}
	default:
		return 0
	}
	return deepest + 1
}

func (d *Door) accountRoutes(rt *wire.Router) {
	wire.Handle(rt, wire.Route{Method: http.MethodGet, Path: prefix, ID: "getAccount", Summary: "Read the Account", Status: 200, Access: wire.User}, d.getAccount)
	wire.Handle(rt, wire.Route{Method: http.MethodPatch, Path: prefix, ID: "updateAccount", Summary: "Change the Account", Status: 200, Access: wire.User,
		Faults: []*fault.Error{wire.ErrPrecondition, account.ErrVersionConflict}}, d.patchAccount)
}

func (d *Door) getAccount(ctx context.Context, c *wire.Call, _ wire.None) (wire.Data[accountView], error) {
	a, err := database.Read(ctx, d.DB, func(tx *database.Tx) (account.Account, error) { return account.Get(ctx, tx, c.Principal.AccountID) })
	if err == nil {
		c.SetHeader("ETag", wire.ETag(a.Version))
	}
	return wire.Data[accountView]{Data: viewAccount(a)}, err
}

func (d *Door) patchAccount(ctx context.Context, c *wire.Call, in accountPatch) (out wire.Data[accountView], err error) {
	change := account.Change{Name: in.Name}
	if change.IfVersion, err = c.IfMatch(); err != nil {
		return out, err
	}
	if in.Settings != nil {
		if change.Settings, err = wire.Encode(in.Settings); err != nil {
			return out, err
		}
	}
	a, err := database.Write(ctx, d.DB, func(tx *database.Tx) (account.Account, error) {
		return account.Update(ctx, tx, c.Principal.AccountID, change, func(a account.Account) any { return viewAccount(a) })
	})
	if err != nil {
		return out, err
	}
	c.SetHeader("ETag", wire.ETag(a.Version))
	return wire.Data[accountView]{Data: viewAccount(a)}, nil
}
