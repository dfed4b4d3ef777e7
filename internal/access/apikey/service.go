package apikey

import (
	"cmp"
	"context"
	"errors"

	"github.com/go-json-experiment/json"

	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/secret"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/tenant/environment"
)

// maxKeys is how many keys an Environment may have.
const maxKeys = 500

// Service holds the use cases of API keys. It is safe for concurrent use.
type Service struct {
	DB     *database.DB
	Prover *revision.Prover // proves that keys in memory are current
	Limits *ratelimit.Limiter
	// Unknown gives those of some permission keys that the Environment's catalogue lacks.
	Unknown func(ctx context.Context, tx *database.Tx, in scope.Environment, keys []string) ([]string, error)
	// Most is how many keys an Environment may have; 0 is 500.
	Most int

	known   revision.Memo[string, principal.Key] // by the hash of a value
	uses    uses
	denials denials
}

// kind says that a key was changed; whoever keeps keys reads it again.
const kind revision.Kind = "api_key"

func (k Key) entry(by principal.Actor, in scope.Environment) event.Entry {
	return event.Entry{
		Actor: by, Account: in.Application.Account.ID, Application: in.Application.ID, Environment: in.ID,
		Resource: k.ID.Any(), Label: k.Name,
	}
}

// List gives one page of the Environment's keys, expired and disabled ones included.
func (s *Service) List(
	ctx context.Context, in scope.Environment, r page.Request,
) (list []Key, info page.Info, err error) {
	list, err = environment.Read(ctx, s.DB, in, func(tx *database.Tx, _ revision.At) ([]Key, error) {
		from, args := fromKeys, []any{in.ID}
		if r.Q != "" {
			from += ` AND k.name_fold LIKE $2 ESCAPE '\'`
			args = append(args, text.LikePattern(r.Q))
		}
		var count int
		if err := tx.QueryRow(ctx, `SELECT count(*)`+from, args...).Scan(&count); err != nil {
			return nil, err
		}
		info = r.Of(count)
		return database.All(ctx, tx, scan, `SELECT `+keyColumns+from+r.OrderBy("k.id")+r.Limit(), args...)
	})
	return list, info, err
}

func find(ctx context.Context, tx *database.Tx, in scope.Environment, of ID) (Key, error) {
	k, err := scan(tx.QueryRow(ctx, `SELECT `+keyColumns+fromKeys+` AND k.id = $2`, in.ID, of))
	if errors.Is(err, database.ErrNoRows) {
		err = ErrNotFound
	}
	return k, err
}

// Create makes a key; its value is shown by the answer alone. d is normalised. One that
// fails counts against the limit of its Application, too. Faults, in this order:
// validation, api_keys.scope_escalation, api_keys.scope_unknown, api_keys.limit_reached,
// rate_limit.exceeded. Event: api_key.created.
func (s *Service) Create(
	ctx context.Context, by principal.Actor, caller principal.Principal, in scope.Environment, d Draft,
) (k Key, value secret.Token, err error) {
	scopes, err := json.Marshal(d.Scopes)
	if err != nil {
		return k, value, err
	}
	value = secret.NewAPIKey()
	subject := in.Application.ID.String()
	k, err = environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Key, error) {
		expires := d.ExpiresAt.Time()
		if d.ExpiresAt.Value != nil && !expires.After(tx.Now) {
			return Key{}, fault.Validation.WithDetails("expires_at must be in the future")
		}
		if err := s.fits(ctx, tx, caller, in, d); err != nil {
			return Key{}, err
		}
		if err := s.Limits.Count(ctx, tx, ratelimit.APIKeyCreate, subject); err != nil {
			return Key{}, err
		}
		k := Key{
			ID: id.New[ID](tx.Now), Name: d.Name, Description: d.Description.Value, Mode: d.Mode, Scopes: d.Scopes,
			Preview: value.Preview(), Active: true, ExpiresAt: expires, CreatedAt: tx.Now,
		}
		_, err := tx.Exec(ctx, insertKey, k.ID, in.ID, k.Name, text.Fold(k.Name), k.Description, string(k.Mode),
			string(scopes), value.Hash(), k.Preview, expires, tx.Now)
		if err != nil {
			return k, err
		}
		revision.Append(tx, in, revision.Change{Kind: kind, Subject: k.ID.Any()})
		declared := Created
		if k.Mode == FullAccess {
			declared.Severity = event.Warning
		}
		return k, event.Record(ctx, tx, declared, k.entry(by, in), CreatedPayload{
			k.Name, k.Mode, append([]string{}, k.Scopes...), d.ExpiresAt.Value,
		})
	})
	if fault.As(err) == nil {
		return k, value, err
	}
	// What it failed for is the answer, also where this was one too many.
	if counted := s.Limits.Take(ctx, ratelimit.APIKeyCreate, subject); counted != nil && fault.As(counted) == nil {
		err = counted
	}
	return k, value, err
}

// fits says what keeps the caller from making the key: what the caller may give, then what
// there is to give, then how many keys there are.
func (s *Service) fits(
	ctx context.Context, tx *database.Tx, caller principal.Principal, in scope.Environment, d Draft,
) error {
	unknown, err := s.Unknown(ctx, tx, in, d.Scopes)
	switch {
	case err != nil:
		return err
	case !mayGive(caller, d.Mode, d.Scopes, d.ExpiresAt.Time()):
		return ErrEscalation
	case len(unknown) > 0:
		return ErrScopeUnknown.WithData(struct {
			Scopes []string `json:"scopes"`
		}{unknown})
	}
	var n int
	if err := tx.QueryRow(ctx, countKeys, in.ID).Scan(&n); err != nil {
		return err
	}
	if n >= cmp.Or(s.Most, maxKeys) {
		return ErrLimitReached
	}
	return nil
}

// SetActive switches a key on or off, for the very next call; the same again writes
// nothing. Faults: api_keys.not_found, api_keys.scope_escalation for switching on. Events:
// api_key.enabled, api_key.disabled.
func (s *Service) SetActive(
	ctx context.Context, by principal.Actor, caller principal.Principal, in scope.Environment, of ID, active bool,
) (Key, error) {
	return environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Key, error) {
		k, err := find(ctx, tx, in, of)
		switch {
		case err != nil:
			return k, err
		case active && !mayGive(caller, k.Mode, k.Scopes, k.ExpiresAt):
			return k, ErrEscalation
		case k.Active == active:
			return k, nil
		}
		k.Active = active
		if _, err := tx.Exec(ctx, setActive, active, tx.Now, in.ID, of); err != nil {
			return k, err
		}
		revision.Append(tx, in, revision.Change{Kind: kind, Subject: of.Any()})
		declared := Disabled
		if active {
			declared = Enabled
		}
		return k, event.Record(ctx, tx, declared, k.entry(by, in), NamePayload{k.Name})
	})
}

// Rotate gives a key a new value; the old one is dead for the very next call, and the rest
// stays as it is. Faults: api_keys.not_found, api_keys.scope_escalation. Event:
// api_key.secret_rotated.
func (s *Service) Rotate(
	ctx context.Context, by principal.Actor, caller principal.Principal, in scope.Environment, of ID,
) (k Key, value secret.Token, err error) {
	value = secret.NewAPIKey()
	k, err = environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (Key, error) {
		k, err := find(ctx, tx, in, of)
		switch {
		case err != nil:
			return k, err
		case !mayGive(caller, k.Mode, k.Scopes, k.ExpiresAt):
			return k, ErrEscalation
		}
		k.Preview = value.Preview()
		if _, err := tx.Exec(ctx, setValue, value.Hash(), k.Preview, tx.Now, in.ID, of); err != nil {
			return k, err
		}
		revision.Append(tx, in, revision.Change{Kind: kind, Subject: of.Any()})
		return k, event.Record(ctx, tx, Rotated, k.entry(by, in), ValuePayload{k.Name, k.Preview})
	})
	return k, value, err
}

// Delete ends a key for the very next call. Fault: api_keys.not_found. Event:
// api_key.deleted.
func (s *Service) Delete(ctx context.Context, by principal.Actor, in scope.Environment, of ID) error {
	_, err := environment.Write(ctx, s.DB, in, func(tx *database.Tx, _ environment.Environment) (struct{}, error) {
		var none struct{}
		k, err := find(ctx, tx, in, of)
		if err != nil {
			return none, err
		}
		if _, err := tx.Exec(ctx, deleteKey, in.ID, of); err != nil {
			return none, err
		}
		revision.Append(tx, in, revision.Change{Kind: kind, Subject: of.Any()})
		return none, event.Record(ctx, tx, Deleted, k.entry(by, in), ValuePayload{k.Name, k.Preview})
	})
	return err
}
