package peopleapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Keys serves the API keys of an Environment.
type Keys struct{ Keys *apikey.Service }

// listedKey is a key without its value.
type listedKey struct {
	ID          apikey.ID           `json:"id"           doc:"The key's id."`
	ClientID    scope.ApplicationID `json:"client_id"    doc:"The Application."`
	Name        string              `json:"name"         doc:"Its name." example:"Backend" maxLength:"100"`
	Description *string             `json:"description"  doc:"What it is for." maxLength:"1000"`
	KeyPreview  string              `json:"key_preview"  doc:"The first characters of its value." example:"cnpy_1a2b3c4****" maxLength:"16"`
	AccessMode  apikey.Mode         `json:"access_mode"  doc:"scoped, or full_access to everything in the Environment."`
	Scopes      []string            `json:"scopes"       doc:"The permissions of a scoped key, sorted." maxItems:"200"`
	IsActive    bool                `json:"is_active"    doc:"A disabled key is refused."`
	LastUsedAt  *time.Time          `json:"last_used_at" doc:"When it was used last, exact to a minute; null before its first use."`
	ExpiresAt   *time.Time          `json:"expires_at"   doc:"From when on it is refused; null for never."`
	CreatedAt   time.Time           `json:"created_at"   doc:"When it came into being."`
}

func viewKey(in scope.Environment) func(apikey.Key) listedKey {
	return func(k apikey.Key) listedKey {
		return listedKey{
			k.ID, in.Application.ID, k.Name, k.Description, k.Preview, k.Mode, append([]string{}, k.Scopes...), k.Active,
			instant(k.LastUsedAt), instant(k.ExpiresAt), k.CreatedAt,
		}
	}
}

// instant is nil for what has not been, or never is.
func instant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// shownKey is a key with its value, which no other answer shows.
type shownKey struct {
	ID          apikey.ID   `json:"id"          doc:"The key's id."`
	Name        string      `json:"name"        doc:"Its name." example:"Backend" maxLength:"100"`
	Description *string     `json:"description" doc:"What it is for." maxLength:"1000"`
	Key         string      `json:"key"         doc:"Its value, for X-API-Key. It is shown here only." example:"cnpy_…" maxLength:"69"`
	KeyPreview  string      `json:"key_preview" doc:"The first characters of its value." example:"cnpy_1a2b3c4****" maxLength:"16"`
	AccessMode  apikey.Mode `json:"access_mode" doc:"scoped, or full_access to everything in the Environment."`
	Scopes      []string    `json:"scopes"      doc:"The permissions of a scoped key, sorted." maxItems:"200"`
	ExpiresAt   *time.Time  `json:"expires_at"  doc:"From when on it is refused; null for never."`
	CreatedAt   time.Time   `json:"created_at"  doc:"When it came into being."`
}

func viewShown(k apikey.Key, value secret.Token, err error) (wire.Data[shownKey], error) {
	return wire.Of(shownKey{
		k.ID, k.Name, k.Description, value.Reveal(), k.Preview, k.Mode, append([]string{}, k.Scopes...),
		instant(k.ExpiresAt), k.CreatedAt,
	}, err)
}

// keySwitch switches a key on or off.
type keySwitch struct {
	IsActive *bool `json:"is_active" nullable:"false" doc:"Whether the key is accepted."`
}

// Rules implements text.Ruled.
func (b *keySwitch) Rules(f *text.Fields) { f.Check("is_active", b.IsActive != nil, "is required") }

var (
	tagKeys   = wire.Tag{Name: "API keys", About: "Credentials of programs, each for one Environment."}
	keyID     = wire.PathID[apikey.ID]("id", "The key's id.", apikey.ErrNotFound)
	keyPaging = wire.Paged(apikey.Sorts)
)

// Routes registers the resource.
func (h *Keys) Routes(rt *wire.Router) {
	g := rt.Twins("/api-keys", tagKeys)
	one := []wire.Parameter{keyID}
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodGet, ID: "listApiKeys", Summary: "List API keys",
		About: "One page of the Environment's keys, expired and disabled ones included. Values are never shown again.",
		Needs: permission.APIKeyView, Params: []wire.Parameter{keyPaging}, Status: http.StatusOK,
	}, h.list)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, ID: "createApiKey", Summary: "Create an API key",
		About: "The answer shows its value, once. A scoped key may make only scoped keys of its own scopes " +
			"that don't outlive it.",
		Needs: permission.APIKeyManage, Limits: []wire.Limit{{Name: ratelimit.APIKeyCreate, By: wire.ByUseCase}},
		Idempotent: true, Status: http.StatusCreated,
		Faults: []*fault.Error{apikey.ErrScopeUnknown, apikey.ErrEscalation, apikey.ErrLimitReached},
		Writes: []wire.EventType{apikey.Created},
	}, h.create)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateApiKey", Summary: "Switch an API key on or off",
		About: "It counts for the very next call, everywhere.",
		Needs: permission.APIKeyManage, Params: one, Status: http.StatusOK,
		Faults: []*fault.Error{apikey.ErrEscalation}, Writes: []wire.EventType{apikey.Enabled, apikey.Disabled},
	}, h.update)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/rotate-secret", ID: "rotateApiKey", Summary: "Give an API key a new value",
		About: "The old value is dead for the very next call; everything else stays as it is.",
		Needs: permission.APIKeyManage, Params: one, Status: http.StatusOK,
		Faults: []*fault.Error{apikey.ErrEscalation}, Writes: []wire.EventType{apikey.Rotated},
	}, h.rotate)
	wire.HandleTwins(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "deleteApiKey", Summary: "Delete an API key",
		About: "It ends for the very next call.",
		Needs: permission.APIKeyManage, Params: one, Status: http.StatusNoContent,
		Writes: []wire.EventType{apikey.Deleted},
	}, h.delete)
}

func (h *Keys) list(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Page[listedKey], error) {
	list, info, err := h.Keys.List(ctx, by.In, keyPaging.Of(c))
	return wire.PageOf(list, info, err, viewKey(by.In))
}

func (h *Keys) create(ctx context.Context, _ *wire.Call, by wire.By, in apikey.Draft) (wire.Data[shownKey], error) {
	return viewShown(h.Keys.Create(ctx, by.Actor, by.Caller, by.In, in))
}

func (h *Keys) update(ctx context.Context, c *wire.Call, by wire.By, in keySwitch) (wire.Data[listedKey], error) {
	k, err := h.Keys.SetActive(ctx, by.Actor, by.Caller, by.In, keyID.Of(c), *in.IsActive)
	return wire.Of(viewKey(by.In)(k), err)
}

func (h *Keys) rotate(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Data[shownKey], error) {
	return viewShown(h.Keys.Rotate(ctx, by.Actor, by.Caller, by.In, keyID.Of(c)))
}

func (h *Keys) delete(ctx context.Context, c *wire.Call, by wire.By, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Keys.Delete(ctx, by.Actor, by.In, keyID.Of(c))
}
