package portaluser

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"canopy.dev/canopy/internal/events/revision"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/page"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/database"
)

// Membership is a portal user's place in one Account.
type Membership struct {
	Account     scope.Account
	AccountName string
	UserID      ID
	Role        permission.AccountRole
	Active      bool
	JoinedAt    time.Time
}

// Member is a portal user as one Account sees them.
type Member struct {
	UserID    ID
	Email     string
	FirstName string
	LastName  string
	Role      permission.AccountRole
	Active    bool
	CreatedAt time.Time // of the user
	JoinedAt  time.Time // of the membership
}

// Name is first and last name.
func (m Member) Name() string { return m.FirstName + " " + m.LastName }

// Sorts are the sort keys of a list of members.
var Sorts = page.Sorts{
	{Key: "joined_at", Column: "m.joined_at", Desc: true},
	{Key: "email", Column: "u.email"},
	{Key: "name", Column: "u.name_fold"},
}

// Activity filters a list of members.
type Activity string

// The filters; "" is any.
const (
	Active   Activity = "active"
	Inactive Activity = "inactive"
)

// Join adds a membership, active from now on; false when there is one already.
func Join(
	ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID, role permission.AccountRole,
) (bool, error) {
	n, err := tx.Exec(ctx, insertMember, in, userID, string(role), tx.Now)
	return n == 1, err
}

// MembershipOf reads a person's place in an Account; false when there is none.
func MembershipOf(ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID) (Membership, bool, error) {
	m, err := scanMembership(tx.QueryRow(ctx, selectMembership+`m.account_id = $1 AND m.user_id = $2`, in, userID))
	if errors.Is(err, database.ErrNoRows) {
		return Membership{}, false, nil
	}
	return m, err == nil, err
}

// Acts holds the caller's row and looks at the caller's place in the Account under it, so
// that nobody writes after an answer has said that they are out. Fault:
// auth.permission_denied.
func Acts(ctx context.Context, tx *database.Tx, by principal.User, in scope.AccountID) error {
	if _, err := Lock(ctx, tx, by.UserID); err != nil {
		return err
	}
	m, is, err := MembershipOf(ctx, tx, in, by.UserID)
	if err == nil && (!is || !m.Active) {
		err = fault.PermissionDenied
	}
	return err
}

// ActiveMemberships lists the Accounts a person can enter, by name.
func ActiveMemberships(ctx context.Context, tx *database.Tx, userID ID) ([]Membership, error) {
	list, err := database.All(ctx, tx, scanMembership, selectMembership+`m.user_id = $1 AND m.is_active = 1`, userID)
	slices.SortFunc(list, func(a, b Membership) int {
		return cmp.Or(text.Compare(a.AccountName, b.AccountName), cmp.Compare(a.Account.ID.String(), b.Account.ID.String()))
	})
	return list, err
}

// IsMember tells whether the user of an address belongs to an Account, and
// whether the membership is active.
func IsMember(ctx context.Context, tx *database.Tx, in scope.AccountID, email string) (is, active bool, err error) {
	err = tx.QueryRow(ctx, selectMemberByEmail, in, email).Scan(&active)
	if errors.Is(err, database.ErrNoRows) {
		return false, false, nil
	}
	return err == nil, active, err
}

// Members gives one page of an Account's people, and how many there are in all.
func Members(
	ctx context.Context, tx *database.Tx, in scope.AccountID, r page.Request, only Activity,
) (list []Member, count int, err error) {
	where, args := fromMembers, []any{in}
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	if only != "" {
		where += ` AND m.is_active = ` + arg(only == Active)
	}
	if r.Q != "" {
		q := arg(text.LikePattern(r.Q))
		where += ` AND (u.email LIKE ` + q + ` ESCAPE '\' OR u.name_fold LIKE ` + q + ` ESCAPE '\')`
	}
	if err := tx.QueryRow(ctx, `SELECT count(*)`+where, args...).Scan(&count); err != nil {
		return nil, 0, err
	}
	list, err = database.All(ctx, tx, scanMember, `SELECT `+memberColumns+where+r.OrderBy("u.id")+r.Limit(), args...)
	return list, count, err
}

// EveryMember lists an Account's people, owners first, then by name.
func EveryMember(ctx context.Context, tx *database.Tx, in scope.AccountID) ([]Member, error) {
	return database.All(ctx, tx, scanMember, `SELECT `+memberColumns+fromMembers+
		` ORDER BY CASE m.account_role WHEN 'owner' THEN 0 ELSE 1 END, u.name_fold, u.id`, in)
}

// FindMember reads one of an Account's people; ErrNotFound.
func FindMember(ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID) (Member, error) {
	m, err := scanMember(tx.QueryRow(ctx, `SELECT `+memberColumns+fromMembers+` AND m.user_id = $2`, in, userID))
	if errors.Is(err, database.ErrNoRows) {
		return m, ErrNotFound
	}
	return m, err
}

// CountMembers tells how many people an Account has, and how many of them are
// active.
func CountMembers(ctx context.Context, tx *database.Tx, in scope.AccountID) (total, active int, err error) {
	return total, active, tx.QueryRow(ctx, countMembers, in).Scan(&total, &active)
}

// OtherOwners counts the active owners of an Account besides one person.
func OtherOwners(ctx context.Context, tx *database.Tx, in scope.AccountID, besides ID) (n int, err error) {
	return n, tx.QueryRow(ctx, countOtherOwners, in, besides).Scan(&n)
}

// RemoveMember takes a person out of an Account. The user stays.
func RemoveMember(ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID) error {
	revision.AppendAccount(tx, in)
	_, err := tx.Exec(ctx, deleteMember, in, userID)
	return err
}

// SetMemberActive switches a membership on or off.
func SetMemberActive(ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID, active bool) error {
	revision.AppendAccount(tx, in)
	_, err := tx.Exec(ctx, updateMemberActive, active, in, userID)
	return err
}

// SetMemberRole changes what a person is in an Account.
func SetMemberRole(
	ctx context.Context, tx *database.Tx, in scope.AccountID, userID ID, role permission.AccountRole,
) error {
	revision.AppendAccount(tx, in)
	_, err := tx.Exec(ctx, updateMemberRole, string(role), in, userID)
	return err
}

// AccountsOf are the Accounts that a person is a member of, active or not.
func AccountsOf(ctx context.Context, tx *database.Tx, userID ID) ([]scope.AccountID, error) {
	return database.All(ctx, tx, func(row database.Scanner) (in scope.AccountID, err error) {
		return in, row.Scan(&in)
	}, selectAccountsOf, userID)
}
