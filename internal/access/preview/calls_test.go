package preview_test

import (
	"context"
	"errors"
	"slices"

	"canopy.dev/canopy/internal/access/assignment"
	"canopy.dev/canopy/internal/access/dump"
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/hierarchy"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/access/preview"
	"canopy.dev/canopy/internal/access/rbac"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/id"
)

// do makes the change by the real calls, and tells what they refuse.
func (w *world) do(c preview.Change) []string {
	w.t.Helper()
	ctx, refused := w.t.Context(), []string{}
	note := func(err error) {
		f := fault.As(err)
		switch {
		case err == nil:
		case f == nil:
			w.t.Fatal(err)
		case len(f.Details) > 0:
			for _, detail := range f.Details {
				refused = append(refused, f.Code+": "+f.Message+": "+detail)
			}
		default:
			refused = append(refused, f.Code+": "+f.Message)
		}
	}
	w.call(ctx, c, note)
	slices.Sort(refused)
	return slices.Compact(refused)
}

func parsed[I ~[16]byte](s string) I {
	of, _ := id.Parse[I](s)
	return of
}

func (w *world) call(ctx context.Context, c preview.Change, note func(error)) {
	some := assignment.Some{IDs: c.AssignmentIDs}
	window := c.From.Given || c.To.Given
	switch c.Kind {
	case preview.MoveNodes, preview.SwitchNodes, preview.DeleteNodes:
		done := map[string]bool{}
		for _, of := range c.NodeIDs {
			if !done[of] {
				note(w.callNode(ctx, c, parsed[hierarchy.ID](of)))
			}
			done[of] = true
		}
	case preview.SwitchRole:
		to := rbac.RoleChange{Active: c.IsActive}
		_, err := w.roles.UpdateRole(ctx, alex, w.in, parsed[rbac.RoleID](*c.RoleID), to, 0, whole[rbac.Role])
		note(err)
	case preview.SetPermissions:
		note(w.roles.SetRoleKeys(ctx, alex, w.in, parsed[rbac.RoleID](*c.RoleID), c.Keys, 0, whole[rbac.Role]))
	case preview.DeleteRole:
		note(w.roles.DeleteRole(ctx, alex, w.in, parsed[rbac.RoleID](*c.RoleID), 0, whole[rbac.Role]))
	case preview.DeletePermission:
		of := parsed[rbac.PermissionID](*c.PermissionID)
		note(w.roles.DeletePermission(ctx, alex, w.in, of, 0, whole[rbac.Permission]))
	case preview.CreateAssignments:
		results, err := w.grants.BulkCreate(ctx, alex, w.in, c.Assignments, len(c.Assignments))
		note(err)
		for _, r := range results {
			note(r.Err)
		}
	case preview.RemoveAssignments:
		note(w.grants.BulkRemove(ctx, alex, w.in, some))
	case preview.ChangeAssignments:
		switch {
		case c.RoleID == nil:
			note(w.grants.BulkChangeWindow(ctx, alex, w.in, assignment.NewWindow{Some: some, From: c.From, To: c.To}))
		case !window:
			note(w.grants.BulkChangeRole(ctx, alex, w.in, assignment.NewRole{Some: some, RoleID: *c.RoleID}))
		default:
			for _, of := range c.AssignmentIDs {
				_, err := w.grants.Update(ctx, alex, w.in, parsed[assignment.ID](of),
					assignment.Change{RoleID: *c.RoleID, From: c.From, To: c.To})
				note(err)
			}
		}
	case preview.Deactivate:
		for _, of := range c.IdentityIDs {
			_, err := w.profiles.SetActive(ctx, alex, membership.InEnvironment(w.in), parsed[enduser.ID](of), false)
			note(err)
		}
	case preview.Remove:
		done := map[string]bool{}
		for _, of := range c.IdentityIDs {
			if !done[of] {
				note(w.people.Remove(ctx, alex, w.in, parsed[enduser.ID](of)))
			}
			done[of] = true
		}
	case preview.Revert:
		_, err := w.dumps.Revert(ctx, alex, w.in)
		note(err)
	case preview.Promote:
		parts := c.Parts
		if parts == nil {
			parts = dump.Promoted()
		}
		_, err := w.dumps.Promote(ctx, alex, w.in, *c.Source, parts, false)
		note(err)
	default:
		note(errors.New("no such kind: " + string(c.Kind)))
	}
}

func (w *world) callNode(ctx context.Context, c preview.Change, of hierarchy.ID) error {
	if c.Kind == preview.MoveNodes {
		to := hierarchy.Move{ParentID: *c.ParentNodeID}
		_, err := w.tree.Move(ctx, alex, w.in, of, to, 0, whole[hierarchy.Node])
		return err
	}
	if c.Kind == preview.SwitchNodes {
		_, err := w.tree.Update(ctx, alex, w.in, of, hierarchy.Change{Status: c.Status}, 0, whole[hierarchy.Node])
		return err
	}
	return w.tree.Delete(ctx, alex, w.in, of, 0, whole[hierarchy.Node])
}
