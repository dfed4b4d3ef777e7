package rbac

import (
	"context"

	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// DumpedPermission is a custom permission as a dump has it.
type DumpedPermission struct {
	Key         string         `json:"key"                   doc:"Its key, by which it is known again."`
	Name        string         `json:"name"                  doc:"Its name."`
	Description text.Clearable `json:"description,omitzero" doc:"What it allows, in a few words."`
	Category    string         `json:"category"              doc:"What it is listed under."`
}

// Rules implements text.Ruled.
func (d *DumpedPermission) Rules(f *text.Fields) {
	f.Field("key", &d.Key, KeyRule)
	f.Field("name", &d.Name, text.NameRule)
	f.Clearable("description", &d.Description, text.DescriptionRule)
	f.Field("category", &d.Category, text.NameRule)
}

// DumpedRole is a custom role as a dump has it.
type DumpedRole struct {
	Ref            *string        `json:"ref,omitempty"        doc:"By which it is known again after it was renamed." nullable:"false" format:"uuid"`
	Name           string         `json:"name"                 doc:"Its name, unique without regard to case."`
	Description    text.Clearable `json:"description,omitzero" doc:"What it is for."`
	Active         *bool          `json:"is_active,omitempty"  doc:"An inactive role grants nothing; true when absent." nullable:"false"`
	PermissionKeys []string       `json:"permission_keys"      doc:"The keys that it holds; repeats are merged." maxItems:"10000"`
}

// Rules implements text.Ruled.
func (d *DumpedRole) Rules(f *text.Fields) {
	f.Field("name", &d.Name, text.NameRule)
	f.Clearable("description", &d.Description, text.DescriptionRule)
	f.Check("permission_keys", len(d.PermissionKeys) <= MaxPermissions, "must hold 0 to 10000 keys")
}

// DumpPermissions tells of the custom permissions, by key.
func DumpPermissions(ctx context.Context, tx *database.Tx, in scope.Environment, each func(Permission) error) error {
	return tx.Query(ctx, func(row database.Scanner) error {
		p, err := scanPermission(row)
		if err != nil {
			return err
		}
		return each(p)
	}, selectCustomPermissions, in.ID)
}

// DumpRoles tells of the custom roles, by name, with their refs and the keys that each
// holds, sorted.
func DumpRoles(
	ctx context.Context, tx *database.Tx, in scope.Environment, each func(r Role, keys []string) error,
) error {
	all, err := database.All(ctx, tx, scanWhole, selectCustomRoles, in.ID)
	if err != nil {
		return err
	}
	for _, r := range all {
		keys, err := heldKeys(ctx, tx, in, r.ID)
		if err != nil {
			return err
		}
		if err := each(r, keys); err != nil {
			return err
		}
	}
	return nil
}
