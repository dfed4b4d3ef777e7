package server_test

import (
	"strings"

	"canopy.dev/canopy/internal/server/servertest"
)

// portalCodes are those of the portal alone.
var portalCodes = map[string]map[string]produce{
	"createApplication": {
		"applications.slug_taken": asOwner("POST", "/applications", m{"name": "B", "slug": "desk"}),
	},
	"deleteApplication": {"applications.last_application": asOwner("DELETE", "/applications/desk", nil)},
	"setDefaultEnvironment": {
		"environments.not_in_application": asOwner("PUT", "/applications/desk/default-environment", m{"slug": "none"}),
	},
	"setResumeState": {
		"environments.not_in_application": asOwner("PUT", "/applications/desk/me/state", m{"environment_slug": "none"}),
	},
	"createEnvironment": {
		"environments.not_in_application": asOwner("POST", "/applications/desk/environments", m{
			"name": "B", "copy_from": "none",
		}),
		"environments.slug_taken": asOwner("POST", "/applications/desk/environments", m{"name": "B", "slug": "production"}),
	},
	"updateEnvironment": {"environments.slug_taken": asOwner("PATCH", inDesk, m{"slug": "production"})},
	"deleteEnvironment": {
		"environments.is_default": asOwner("DELETE", inDesk, nil),
		"environments.last_environment": func(g *ground) answer {
			g.owner.Must(204, "DELETE", g.account()+inProduction, nil)
			return g.owner.Do("DELETE", g.at, nil)
		},
	},
	"setAccessModel": {"environments.revert_required": asOwner("PUT", inDesk+"/access-model", m{"model": "flat"})},
	"revertToFlat":   {"environments.already_flat": asOwner("POST", inProduction+"/revert-to-flat", nil)},
	"importEnvironment": {
		"environments.import_unsupported": asOwner("POST", inDesk+"/import", m{"format_version": 2}),
		"environments.import_invalid": func(g *ground) answer {
			dump := g.owner.Must(200, "GET", g.at+"/export", nil).At("data").(m)
			dump["webhooks"] = []m{{"url": "https://hooks.acme.example"}}
			return g.owner.Do("POST", g.at+"/import", dump)
		},
	},
	"previewAccess": {"access.preview_outdated": func(g *ground) answer {
		g.permission()
		reader := g.role()
		g.owner.Must(200, "PUT", g.at+"/roles/"+reader+"/permissions", m{"permission_keys": []string{"lease.read"}})
		for _, name := range []string{"ann", "ben"} {
			g.owner.Assign(g.at, g.owner.Person(g.at, name), g.node, reader)
		}
		body := m{"change": m{"kind": "role.delete", "role_id": reader}, "limit": 1}
		body["cursor"] = g.owner.Must(200, "POST", g.at+"/access-preview", body).Text("pagination", "next_cursor")
		g.owner.Role(g.at, "Writer")
		return g.owner.Do("POST", g.at+"/access-preview", body)
	}},
	"promoteEnvironment": {
		"environments.not_in_application": asOwner("POST", inDesk+"/promote", m{"source": "none"}),
		// A role comes without the permission that it holds.
		"environments.import_invalid": func(g *ground) answer {
			from := g.account() + inProduction
			g.owner.Must(201, "POST", from+"/permissions", newPermission("lease.read"))
			path := from + "/roles/" + g.owner.Role(from, "Reader") + "/permissions"
			g.owner.Must(200, "PUT", path, m{"permission_keys": []string{"lease.read"}})
			return g.owner.Do("POST", g.at+"/promote", m{"source": "production", "parts": []string{"roles"}})
		},
	},
	"bootstrapAccess": {
		"permissions.system_not_grantable": asOwner("POST", inDesk+"/setup/access-bootstrap", m{
			"resources": []m{}, "roles": []m{{"name": "A", "permission_keys": []string{"audit.view"}}},
		}),
		"rbac.limit_reached": full(manyPermissions, asOwner("POST", inDesk+"/setup/access-bootstrap", m{
			"resources": []m{notes()}, "roles": []m{},
		})),
	},
	"addResourcePermissions": {
		"permissions.system_not_grantable": func(g *ground) answer { return g.adding(g.role(), "audit.view") },
		"rbac.role_not_found":              func(g *ground) answer { return g.adding(servertest.NoID) },
		"rbac.role_system_protected": func(g *ground) answer {
			return g.adding(strings.TrimPrefix(g.system("roles"), "/roles/"), "note.read")
		},
		"rbac.limit_reached": full(manyPermissions, asOwner("POST", inDesk+"/setup/resource-permissions", m{
			"resources": []m{notes()}, "role_permissions": []m{},
		})),
	},
	"listApplicationIdentityPermissions": {"nodes.node_not_found": func(g *ground) answer {
		return g.owner.Do("GET", g.application()+"/identities/"+g.identity()+"/permissions?node_id=none", nil)
	}},
	"attachApplicationIdentities": {
		"identities.already_member": func(g *ground) answer {
			body := m{"identity_ids": []string{g.identity()}}
			return g.owner.Do("POST", g.application()+"/app-memberships/bulk-attach", body)
		},
		"identities.not_found": asOwner("POST", "/applications/desk/app-memberships/bulk-attach", m{
			"identity_ids": []string{servertest.NoID},
		}),
	},
	"addToApplication": {
		"identities.already_member": func(g *ground) answer {
			path := g.account() + "/identities/" + g.identity() + "/app-memberships"
			return g.owner.Do("POST", path, m{"application_id": g.applicationID()})
		},
		"applications.not_found": func(g *ground) answer {
			path := g.account() + "/identities/" + g.identity() + "/app-memberships"
			return g.owner.Do("POST", path, m{"application_id": servertest.NoID})
		},
	},
	"bulkCreateDirectoryIdentities": {"applications.not_found": func(g *ground) answer {
		body := newIdentity("")
		body["application_id"] = servertest.NoID
		return g.owner.Do("POST", g.account()+"/identities/bulk-create", m{"identities": []m{body}})
	}},
	"resendDirectoryVerification": {"identities.already_verified": func(g *ground) answer {
		id := g.identity()
		g.owner.Must(204, "POST", g.at+"/identities/"+id+"/verify-email", nil)
		return g.owner.Do("POST", g.account()+"/identities/"+id+"/resend-verification", nil)
	}},
	"requestDirectoryPasswordReset": {"identities.inactive": func(g *ground) answer {
		id := g.identity()
		g.owner.Must(200, "POST", g.at+"/identities/"+id+"/deactivate", nil)
		return g.owner.Do("POST", g.account()+"/identities/"+id+"/reset-password", nil)
	}},

	"removeMember":   {"account.last_owner": onSelf("DELETE", "/members/", "", nil)},
	"updateMember":   {"account.last_owner": onSelf("PATCH", "/members/", "", m{"account_role": "admin"})},
	"removeUser":     {"account.last_owner": onSelf("DELETE", "/users/", "", nil)},
	"deactivateUser": {"account.last_owner": onSelf("POST", "/users/", "/deactivate", nil)},
	"createUserInvite": invitingColleague(func(g *ground, email string) answer {
		return g.owner.Do("POST", g.account()+"/user-invites", servertest.Invitation(email))
	}),
	"bulkCreateUserInvites": invitingColleague(func(g *ground, email string) answer {
		body := m{"invites": []m{servertest.Invitation(email)}}
		return g.owner.Do("POST", g.account()+"/user-invites/bulk-create", body)
	}),
	"revokeUserInvite": {"invites.not_pending": func(g *ground) answer { return g.revoked("DELETE", "") }},
	"resendUserInvite": {
		"invites.not_pending": func(g *ground) answer { return g.revoked("POST", "/resend") },
		"invites.resend_cooldown": func(g *ground) answer {
			return g.owner.Do("POST", g.account()+"/user-invites/"+g.thing("/user-invites/")+"/resend", nil)
		},
	},
}

// adding adds a permission to a role in one step.
func (g *ground) adding(role string, keys ...string) answer {
	given := m{"role_id": role, "permission_keys": append([]string{}, keys...)}
	return g.owner.Do("POST", g.at+"/setup/resource-permissions", m{
		"resources": []m{notes()}, "role_permissions": []m{given},
	})
}

// onSelf does to the only owner what takes the Account its last one.
func onSelf(method, prefix, suffix string, body any) produce {
	return func(g *ground) answer {
		me := g.owner.Must(200, "GET", "/v1/auth/me", nil).Text("data", "id")
		return g.owner.Do(method, g.account()+prefix+me+suffix, body)
	}
}

// revoked calls about an invite that was revoked.
func (g *ground) revoked(method, suffix string) answer {
	path := g.account() + "/user-invites/" + g.thing("/user-invites/")
	g.owner.Must(204, "DELETE", path, nil)
	return g.owner.Do(method, path+suffix, nil)
}

// invitingColleague are the three refusals of an invite.
func invitingColleague(send func(g *ground, email string) answer) map[string]produce {
	return map[string]produce{
		"invites.already_member": func(g *ground) answer { return send(g, g.email()) },
		"invites.already_pending": func(g *ground) answer {
			email := g.p.Address()
			g.owner.Must(201, "POST", g.account()+"/user-invites", servertest.Invitation(email))
			return send(g, email)
		},
		"invites.member_deactivated": func(g *ground) answer {
			_, email, id := g.p.Colleague(g.owner, g.account())
			g.owner.Must(200, "POST", g.account()+"/users/"+id+"/deactivate", nil)
			return send(g, email)
		},
	}
}
