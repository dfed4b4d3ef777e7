package tenantapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/account"
)

// Accounts serves the Account itself.
type Accounts struct{ Accounts *account.Service }

// fullAccount is the Account with everything it has.
type fullAccount struct {
	ID        account.ID     `json:"id"         doc:"The Account's id."`
	Name      string         `json:"name"       doc:"Its name." example:"Acme Realty" maxLength:"100"`
	Slug      string         `json:"slug"       doc:"Its slug, for paths; it never changes." example:"acme-realty" maxLength:"63"`
	Settings  jsontext.Value `json:"settings"   doc:"Free JSON object."`
	Plan      string         `json:"plan"       doc:"Always self_hosted." example:"self_hosted" enum:"self_hosted"`
	Version   int            `json:"version"    doc:"Starts at 1 and grows with each change." example:"3"`
	CreatedAt time.Time      `json:"created_at" doc:"When it came into being."`
	UpdatedAt time.Time      `json:"updated_at" doc:"When it was changed last."`
}

func viewAccount(a account.Account) fullAccount {
	return fullAccount{a.ID, a.Name, a.Slug, a.Settings, a.Plan, a.Version, a.CreatedAt, a.UpdatedAt}
}

// Routes registers the resource.
func (h *Accounts) Routes(rt *wire.Router) {
	g := rt.InAccount("", tag)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "getAccount", Summary: "Read the Account",
		About: "The Account that the token is bound to.",
		Needs: permission.AccountView, ETag: true, Status: http.StatusOK,
	}, h.get)
	wire.Handle(g, wire.Route{
		Method: http.MethodPatch, ID: "updateAccount", Summary: "Change the Account",
		About: "Absent fields stay as they are. A change that changes nothing raises no version.",
		Needs: permission.AccountManage, ETag: true, IfMatch: true, Status: http.StatusOK,
		Faults: []*fault.Error{fault.VersionConflict}, Writes: []wire.EventType{account.Updated},
	}, h.update)
}

func (h *Accounts) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[fullAccount], error) {
	a, err := h.Accounts.Get(ctx, by.In)
	return wire.OfVersion(c, viewAccount(a), a.Version, err)
}

func (h *Accounts) update(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in account.Change,
) (wire.Data[fullAccount], error) {
	a, err := h.Accounts.Update(ctx, by.Actor, by.In, in, c.Version(), wire.Shown(viewAccount))
	return wire.OfVersion(c, viewAccount(a), a.Version, err)
}
