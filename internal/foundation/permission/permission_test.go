package permission_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/foundation/permission"
)

// An owner holds everything, an admin all but one thing.
func TestRolesDifferInOneRight(t *testing.T) {
	t.Parallel()
	owner, admin := permission.Owner.Keys(), permission.Admin.Keys()
	less := slices.DeleteFunc(slices.Clone(owner), func(k permission.Key) bool {
		return k == permission.UserManageOwners
	})
	if diff := cmp.Diff(less, admin); diff != "" || len(owner) != len(admin)+1 {
		t.Errorf("%d and %d\n%s", len(owner), len(admin), diff)
	}
}

func TestKeysAreWhatIsHeld(t *testing.T) {
	t.Parallel()
	all := permission.Owner.Keys()
	for _, role := range []permission.AccountRole{permission.Owner, permission.Admin} {
		keys := role.Keys()
		if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) {
			t.Errorf("%s: not sorted, or twice: %v", role, keys)
		}
		for _, k := range all {
			if slices.Contains(keys, k) != role.Holds(k) {
				t.Errorf("%s: %s is listed: %v", role, k, !role.Holds(k))
			}
		}
		for _, k := range permission.System() {
			if !role.Holds(k) {
				t.Errorf("%s does not hold %s", role, k)
			}
		}
		keys[0] = "changed"
		if role.Keys()[0] == "changed" {
			t.Error("the slice is not the caller's")
		}
	}
}

func TestUnknownRoleHoldsNothing(t *testing.T) {
	t.Parallel()
	for _, role := range []permission.AccountRole{"", "Owner", "viewer"} {
		for _, k := range permission.Owner.Keys() {
			if role.Holds(k) {
				t.Errorf("%q holds %s", role, k)
			}
		}
	}
}

// Schemas list exactly what there is.
func TestEnums(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"owner", "admin"}, permission.AccountRole("").Enum()); diff != "" {
		t.Error(diff)
	}
	words := permission.Key("").Enum()
	for _, k := range append(permission.System(), permission.AccountView, permission.AccountManage,
		permission.ApplicationManage, permission.EnvironmentManage, permission.UserView, permission.UserInvite,
		permission.UserManage, permission.UserManageOwners) {
		i := slices.Index(words, string(k))
		if i < 0 {
			t.Errorf("%s is not listed", k)
			continue
		}
		words = slices.Delete(words, i, i+1)
	}
	if len(words) != 0 {
		t.Errorf("listed twice, or from nowhere: %v", words)
	}
}
