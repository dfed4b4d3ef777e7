package rbac

import (
	"regexp"
	"strings"
	"time"

	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/text"
)

type (
	permissionKind struct{}
	roleKind       struct{}
)

// PermissionID names a permission of an Environment.
type PermissionID = id.Of[permissionKind]

// Source says where a permission comes from.
type Source string

// The sources.
const (
	System Source = "system" // exists in every Environment; can't be changed
	Custom Source = "custom" // made by the customer
)

// Enum lists the sources, for schemas.
func (Source) Enum() []string { return []string{string(System), string(Custom)} }

// Permission is a key in the catalogue of an Environment.
type Permission struct {
	ID          PermissionID
	Key         string // unique in the Environment; it never changes
	Name        string
	Category    string
	Description *string
	Source      Source
	Version     int
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

// The faults of permissions.
var (
	ErrPermissionNotFound  = fault.New(fault.NotFound, "permissions.not_found", "Permission not found")
	ErrKeyTaken            = fault.New(fault.Conflict, "permissions.key_taken", "The catalogue has these keys already")
	ErrPermissionProtected = fault.New(fault.Forbidden, "permissions.system_protected",
		"A system permission can't be changed or deleted")
	ErrNotGrantable = fault.New(fault.Invalid, "permissions.system_not_grantable",
		"System permissions can't be put into a role")
	ErrLimitReached = fault.New(fault.Invalid, "rbac.limit_reached",
		"The Environment has as many permissions or roles as it may have")
)

// How many permissions and roles of its own an Environment may have.
const (
	MaxPermissions = 10_000
	MaxRoles       = 1_000
)

const maxKey = 128 // characters

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$`)

// KeyRule is the rule of a custom permission's key.
var KeyRule = text.Rule{
	Normalize: func(s string) (string, string) {
		if len(s) > maxKey || !keyPattern.MatchString(s) {
			return "", "must be words of a-z, 0-9, _ and -, joined by dots, at most 128 characters"
		}
		return s, ""
	},
	Pattern: keyPattern.String(), MinLength: 3, MaxLength: maxKey, Example: "lease.approve",
}

// NewPermission is a permission to be made.
type NewPermission struct {
	Key         string         `json:"key"                   doc:"Its key; it can't be changed later."`
	Name        string         `json:"name"                  doc:"Its name."`
	Category    string         `json:"category"              doc:"What it is listed under."`
	Description text.Clearable `json:"description,omitzero" doc:"What it allows, in a few words."`
}

// Rules implements text.Ruled.
func (n *NewPermission) Rules(f *text.Fields) {
	f.Field("key", &n.Key, KeyRule)
	f.Field("name", &n.Name, text.NameRule)
	f.Field("category", &n.Category, text.NameRule)
	f.Clearable("description", &n.Description, text.DescriptionRule)
}

// PermissionChange is what a caller wants changed; nil leaves a field as it is.
type PermissionChange struct {
	Name        *string        `json:"name,omitempty"       nullable:"false" doc:"Its name."`
	Description text.Clearable `json:"description,omitzero" doc:"What it allows; null clears."`
	Category    *string        `json:"category,omitempty"   nullable:"false" doc:"What it is listed under."`
}

// Rules implements text.Ruled.
func (c *PermissionChange) Rules(f *text.Fields) {
	f.Optional("name", c.Name, text.NameRule)
	f.Clearable("description", &c.Description, text.DescriptionRule)
	f.Optional("category", c.Category, text.NameRule)
}

// applied is the permission with a change made, and what differs, for the audit log.
func (p Permission) applied(c PermissionChange) (Permission, map[string]any) {
	changes := map[string]any{}
	set(changes, "name", &p.Name, c.Name)
	set(changes, "category", &p.Category, c.Category)
	clearable(changes, "description", &p.Description, c.Description)
	return p, changes
}

// set puts a value that differs, and notes it.
func set[T comparable](changes map[string]any, field string, value, to *T) {
	if to != nil && *to != *value {
		*value = *to
		changes[field] = *to
	}
}

// clearable is set for a text that may be cleared.
func clearable(changes map[string]any, field string, value **string, to text.Clearable) {
	same := *value == nil && to.Value == nil || *value != nil && to.Value != nil && **value == *to.Value
	if to.Given && !same {
		*value = to.Value
		changes[field] = to.Value
	}
}

// grantable reports whether a role may hold the key, which the catalogue has.
func grantable(key string, source Source) bool {
	return source == Custom || key == string(permission.OrganizationManage)
}

// SystemPermission is a system permission as every catalogue has it.
type SystemPermission struct{ Key, Name, Category string }

// SystemCatalogue is the part of the catalogue that every Environment has.
func SystemCatalogue() []SystemPermission {
	var list []SystemPermission
	for _, k := range permission.System() {
		key := string(k)
		area, _, _ := strings.Cut(strings.TrimPrefix(key, "canopy:"), ".")
		list = append(list, SystemPermission{key, systemNames[k], area})
	}
	return list
}

// systemNames are the keys in words.
var systemNames = map[permission.Key]string{
	permission.IdentityView:       "View identities",
	permission.IdentityManage:     "Manage identities",
	permission.HierarchyView:      "View hierarchy",
	permission.HierarchyManage:    "Manage hierarchy",
	permission.RolesView:          "View roles",
	permission.RolesManage:        "Manage roles",
	permission.AssignmentsView:    "View assignments",
	permission.AssignmentsManage:  "Manage assignments",
	permission.Evaluate:           "Evaluate permissions",
	permission.WebhookView:        "View webhooks",
	permission.WebhookManage:      "Manage webhooks",
	permission.APIKeyView:         "View API keys",
	permission.APIKeyManage:       "Manage API keys",
	permission.AuditView:          "View audit log",
	permission.AuditExport:        "Export audit log",
	permission.OrganizationManage: "Manage organization",
}
