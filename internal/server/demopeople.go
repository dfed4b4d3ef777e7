package server

import (
	"context"
	"strings"
	"time"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/platform/database"
	"canopy.dev/canopy/internal/tenant/environment"
)

// team makes people, and gives them roles: one for a time that is over, one for a time that
// is to come.
func (d *demo) team(ctx context.Context) error {
	all, err := d.tenant.access.Roles(ctx, d.in, "", true)
	if err != nil {
		return err
	}
	d.roles = map[string]rbac.RoleID{}
	for _, r := range all {
		d.roles[r.Name] = r.ID
	}
	today := decide.Instant(d.db.Now().Truncate(24 * time.Hour).UnixMicro())
	const day = decide.Instant(24 * time.Hour / time.Microsecond)
	for _, p := range []struct {
		name, role, at string
		window         assignment.Window
	}{
		{"Ann Lee", "Regional Manager", "North", assignment.Always},
		{"Ben Ott", "Leasing Agent", "Berlin", assignment.Always},
		{"Cleo Marsh", "Auditor", "Acme Realty", assignment.Always},
		{"Dan Voss", "Accountant", "South", assignment.Always},
		{"Eve Stone", "Office Manager", "Cologne", assignment.Always},
		{"Finn Hale", "Office Manager", "Kiel", assignment.Window{From: decide.Beginning, To: today}},
		{"Gwen Park", "Viewer", "West", assignment.Window{From: today + 7*day, To: today + 37*day}},
		{"Hugo Reyes", "", "", assignment.Window{}},
	} {
		first, last, _ := strings.Cut(p.name, " ")
		draft := enrolment.Draft{Draft: enduser.Draft{
			Email: strings.ToLower(first) + "@acme.example", FirstName: first, LastName: last,
		}}
		who, err := d.people.enrolment.Create(ctx, d.by, membership.InEnvironment(d.in), draft.New())
		if err != nil {
			return err
		}
		d.persons[first] = who.ID
		if p.role == "" {
			continue
		}
		given := assignment.New{Identity: who.ID, Node: d.places[p.at], Role: d.roles[p.role], Window: p.window}
		_, err = environment.Write(ctx, d.db, d.in,
			func(tx *database.Tx, _ environment.Environment) (assignment.Assignment, error) {
				return assignment.Give(ctx, tx, d.by, d.in, given)
			})
		if err != nil {
			return err
		}
	}
	return nil
}
