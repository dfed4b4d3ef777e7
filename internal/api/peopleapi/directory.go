package peopleapi

import (
	"context"
	"net/http"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/access/membership"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/identity/credential"
	"canopy.dev/canopy/internal/identity/enrolment"
	"canopy.dev/canopy/internal/identity/profile"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/tenant/application"
)

// Directory serves the identities of an Account, wherever they are members.
type Directory struct{ *Identities }

// listedPerson is an identity of the directory in short.
type listedPerson struct {
	ID            enduser.ID `json:"id"                   doc:"The identity's id."`
	Email         string     `json:"email"                doc:"The address, unique in the Account." format:"email" example:"dana@acme.example"`
	FirstName     string     `json:"first_name"           doc:"First name." example:"Dana" maxLength:"100"`
	LastName      string     `json:"last_name"            doc:"Last name." example:"Cole" maxLength:"100"`
	AvatarURL     *string    `json:"avatar_url"           doc:"A picture." format:"uri"`
	ExternalID    *string    `json:"external_id"          doc:"What another system calls the person." example:"hr-10442" maxLength:"255"`
	IsActive      bool       `json:"is_active"            doc:"The switch for the whole Account."`
	EmailVerified bool       `json:"email_verified"       doc:"Whether the address is proven."`
	Applications  int        `json:"app_membership_count" doc:"Applications in which the membership is active." example:"1"`
	Assignments   int        `json:"total_assignments"    doc:"Assignments in all Environments." example:"2"`
	CreatedAt     time.Time  `json:"created_at"           doc:"When the identity came into being."`
}

func viewListed(e membership.DirectoryEntry) listedPerson {
	return listedPerson{
		e.ID, e.Email, e.FirstName, e.LastName, e.AvatarURL, e.ExternalID, e.Active, e.EmailVerified(), e.Applications,
		e.Assignments, e.CreatedAt,
	}
}

// knownPerson is an identity of the directory with everything that is known.
type knownPerson struct {
	ID                enduser.ID     `json:"id"                   doc:"The identity's id."`
	Email             string         `json:"email"                doc:"The address, unique in the Account." format:"email" example:"dana@acme.example"`
	FirstName         string         `json:"first_name"           doc:"First name." example:"Dana" maxLength:"100"`
	LastName          string         `json:"last_name"            doc:"Last name." example:"Cole" maxLength:"100"`
	AvatarURL         *string        `json:"avatar_url"           doc:"A picture." format:"uri"`
	ExternalID        *string        `json:"external_id"          doc:"What another system calls the person." example:"hr-10442" maxLength:"255"`
	Metadata          jsontext.Value `json:"metadata"             doc:"Free JSON object, or null." type:"object" nullable:"true"`
	IsActive          bool           `json:"is_active"            doc:"The switch for the whole Account."`
	EmailVerified     bool           `json:"email_verified"       doc:"Whether the address is proven."`
	EmailVerifiedAt   *time.Time     `json:"email_verified_at"    doc:"Since when."`
	LockedUntil       *time.Time     `json:"locked_until"         doc:"Until when wrong passwords keep the person out; null for not at all."`
	PasswordChangedAt *time.Time     `json:"password_changed_at"  doc:"When the password was set last; null without one."`
	Applications      int            `json:"app_membership_count" doc:"Applications in which the membership is active." example:"1"`
	Assignments       int            `json:"total_assignments"    doc:"Assignments in all Environments." example:"2"`
	CreatedAt         time.Time      `json:"created_at"           doc:"When the identity came into being."`
	Places            []personPlace  `json:"app_memberships"      doc:"Places in Applications, the oldest first." maxItems:"1000"`
}

// personPlace is a place in an Application.
type personPlace struct {
	ID              membership.AppID    `json:"id"               doc:"The membership's id."`
	ApplicationID   scope.ApplicationID `json:"application_id"   doc:"Where."`
	ApplicationSlug string              `json:"application_slug" doc:"Its slug." example:"lease-desk" maxLength:"63"`
	ApplicationName string              `json:"application_name" doc:"Its name." example:"Lease Desk" maxLength:"100"`
	Status          membership.Status   `json:"status"           doc:"Whether it counts."`
	CreatedAt       time.Time           `json:"created_at"       doc:"When it came into being."`
	Assignments     int                 `json:"assignment_count" doc:"Assignments in all of its Environments." example:"2"`
}

func viewKnown(k membership.Known) knownPerson {
	v := knownPerson{
		k.ID, k.Email, k.FirstName, k.LastName, k.AvatarURL, k.ExternalID, k.Metadata, k.Active, k.EmailVerified(),
		instant(k.EmailVerifiedAt), instant(k.LockedUntil), instant(k.PasswordChangedAt), k.Applications, k.Assignments,
		k.CreatedAt,
		[]personPlace{},
	}
	for _, p := range k.Places {
		v.Places = append(v.Places, personPlace{
			p.ID, p.Application, p.Slug, p.Name, p.Status, p.BeganAt(), p.Assignments,
		})
	}
	return v
}

// directoryCounts are the numbers of an Account's identities.
type directoryCounts struct {
	Total         int `json:"total"                  doc:"All identities." example:"120"`
	Active        int `json:"active_count"           doc:"Those that are switched on." example:"118"`
	Inactive      int `json:"inactive_count"         doc:"Those that are switched off." example:"2"`
	Unverified    int `json:"email_unverified_count" doc:"Those whose address is not proven." example:"7"`
	NowhereMember int `json:"no_memberships_count"   doc:"Those without an active place in any Application." example:"1"`
}

// placeOfPerson is a membership in an Environment.
type placeOfPerson struct {
	EnvironmentID   scope.EnvironmentID `json:"environment_id"   doc:"Where."`
	EnvironmentSlug string              `json:"environment_slug" doc:"Its slug." example:"development" maxLength:"63"`
	EnvironmentName string              `json:"environment_name" doc:"Its name." example:"Development" maxLength:"100"`
	ApplicationSlug string              `json:"application_slug" doc:"That of its Application." example:"lease-desk" maxLength:"63"`
	Status          membership.Status   `json:"status"           doc:"Whether it counts."`
	Assignments     int                 `json:"assignment_count" doc:"Assignments there." example:"2"`
}

func viewPlace(e membership.EnvironmentOf) placeOfPerson {
	return placeOfPerson{e.In.ID, e.In.Slug, e.Name, e.ApplicationSlug, e.Status, e.Assignments}
}

type bulkDirectory struct {
	Identities wire.Rows[enrolment.DirectoryDraft] `json:"identities"        nullable:"false" doc:"1 to 200 rows; each is judged by itself." minItems:"1" maxItems:"200"`
	DryRun     bool                                `json:"dry_run,omitempty" doc:"Tells what would happen: nothing is stored, hashed, mailed or counted."`
}

// Rules implements text.Ruled.
func (b *bulkDirectory) Rules(f *text.Fields) {
	f.Check("identities", len(b.Identities) >= 1 && len(b.Identities) <= maxBulkIdentities, "must hold 1 to 200 rows")
}

// personSwitch switches an identity on or off.
type personSwitch struct {
	IsActive *bool `json:"is_active" nullable:"false" doc:"Whether the identity is on, for the whole Account."`
}

// Rules implements text.Ruled.
func (b *personSwitch) Rules(f *text.Fields) { f.Check("is_active", b.IsActive != nil, "is required") }

// intoApplication names an Application.
type intoApplication struct {
	ApplicationID string `json:"application_id" doc:"The Application."`
}

// Rules implements text.Ruled.
func (b *intoApplication) Rules(f *text.Fields) {
	f.Field("application_id", &b.ApplicationID, text.Rule{
		Normalize: func(s string) (string, string) { return s, "" }, Format: "uuid",
		Example: "019daf52-4e20-7f58-a04d-ba41ecccc3fc",
	})
}

// yesNo is a switch in a query.
type yesNo string

var (
	hasAssignment = wire.QueryEnum[yesNo]("has_any_assignment",
		"Only those with any assignment in any Environment, or without.", "true", "false")
	notInApp = wire.QueryFilter("not_in_app",
		"The slug of an Application: only those without an active place there.", 63, "lease-desk")
	notInEnvironment = wire.QueryID[scope.EnvironmentID]("not_in_environment",
		"Only those who are no members of this Environment.")
	logPaging     = wire.PagedBy(event.OfIdentitySorts[0])
	ofApplication = wire.PathID[scope.ApplicationID]("appId", "The Application's id.", enduser.ErrNotFound)
)

// Routes registers the resource.
func (h *Directory) Routes(rt *wire.Router) {
	g := rt.InAccount("/identities", tagIdentities)
	one := []wire.Parameter{identityID}
	listed := []wire.Parameter{identityStatus, hasAssignment, notInApp, notInEnvironment, identityPaging}
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, ID: "listDirectory", Summary: "List an Account's identities",
		About: "One page of the directory, wherever its people are members.",
		Needs: permission.IdentityView, Params: listed, Status: http.StatusOK,
	}, h.list)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/summary", ID: "getDirectorySummary", Summary: "Count an Account's identities",
		About: "How many identities there are, and in which states.",
		Needs: permission.IdentityView, Status: http.StatusOK,
	}, h.counts)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}", ID: "getDirectoryIdentity", Summary: "Read an Account's identity",
		About: "An identity with its places in Applications.",
		Needs: permission.IdentityView, Params: one, Status: http.StatusOK,
	}, h.get)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/memberships", ID: "listDirectoryMemberships",
		Summary: "List where an identity is a member",
		About:   "Its memberships in all Environments of the Account, deactivated ones too.",
		Needs:   permission.IdentityView, Params: one, Status: http.StatusOK,
	}, h.memberships)
	wire.Handle(g, wire.Route{
		Method: http.MethodGet, Path: "/{id}/audit", ID: "listDirectoryIdentityAudit",
		Summary: "See what an identity did",
		About:   "One page of the audit log: what it did, and what was done to it; also once it is erased.",
		Needs:   permission.IdentityView, Params: append([]wire.Parameter{logPaging}, one...), Status: http.StatusOK,
	}, h.log)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}", ID: "eraseIdentity", Summary: "Erase a person",
		About: "Deletes the identity with everything that is kept of it, and takes out of the audit log what names or " +
			"places the person. It can't be undone. The address is free afterwards.",
		Needs: permission.IdentityManage, Params: one, Waits: true, Status: http.StatusNoContent,
		Writes: []wire.EventType{enrolment.Erased},
	}, h.erase)
	h.writes(g)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/{id}/app-memberships", ID: "addToApplication",
		Summary: "Bring an identity into an Application",
		About:   "Makes it a member of the Application and its default Environment, again or for the first time.",
		Needs:   permission.IdentityManage, Params: one, Idempotent: true, Waits: true, Status: http.StatusCreated,
		Faults: []*fault.Error{application.ErrNotFound, membership.ErrAlreadyMember}, Writes: appAdded,
	}, h.join)
	wire.Handle(g, wire.Route{
		Method: http.MethodDelete, Path: "/{id}/app-memberships/{appId}", ID: "removeFromApplication",
		Summary: "Take an identity out of an Application",
		About:   "With its memberships and assignments in all of its Environments. The identity itself stays.",
		Needs:   permission.IdentityManage, Params: append([]wire.Parameter{ofApplication}, one...), Waits: true,
		Status: http.StatusNoContent, Writes: appRemoved,
	}, h.leave)
}

func (h *Directory) writes(g wire.Group[wire.At[scope.Account]]) {
	one := []wire.Parameter{identityID}
	faults := []*fault.Error{
		enduser.ErrEmailTaken, enduser.ErrExternalIDTaken, credential.ErrBreached, application.ErrNotFound, fault.Busy,
	}
	makes := []wire.EventType{enduser.Created, membership.Added}
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, ID: "createDirectoryIdentity", Summary: "Create an identity in an Account",
		About: "In the directory alone, or as a member of an Application and its default Environment. No mail is sent.",
		Needs: permission.IdentityManage, Idempotent: true, Waits: true, Status: http.StatusCreated,
		Faults: faults, Writes: makes,
	}, h.create)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-create", ID: "bulkCreateDirectoryIdentities",
		Summary: "Create many identities in an Account",
		About:   "Each row is judged by itself, and all good ones are stored together; 207 says that some were not.",
		Needs:   permission.IdentityManage, Idempotent: true, Waits: true, Body: wire.BodyRows,
		Status: http.StatusOK, Also: []int{http.StatusMultiStatus}, Faults: faults, Writes: makes,
	}, h.createMany)
	wire.Handle(g, wire.Route{
		Method: http.MethodPost, Path: "/bulk-import-events", ID: "reportDirectoryImport",
		Summary: "Report an import of identities into an Account",
		About:   "Notes in the audit log that an import, done in pieces, is complete. It does nothing else.",
		Needs:   permission.IdentityManage, Status: http.StatusNoContent,
		Writes: []wire.EventType{enrolment.ImportCompleted},
	}, from(inAccount, h.report))
	wire.Handle(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}", ID: "updateDirectoryIdentity", Summary: "Change an Account's identity",
		About: "Absent fields stay as they are. The change is seen in the whole Account.",
		Needs: permission.IdentityManage, Params: one, Status: http.StatusOK,
		Writes: []wire.EventType{enduser.Updated},
	}, h.update)
	wire.Handle(g, wire.Route{
		Method: http.MethodPatch, Path: "/{id}/status", ID: "setDirectoryIdentityStatus",
		Summary: "Switch an Account's identity on or off",
		About:   "Off, its sessions end and every decision is no. On, it revives no membership.",
		Needs:   permission.IdentityManage, Params: one, Status: http.StatusOK, Writes: switched,
	}, h.setStatus)
}

func (h *Directory) list(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Page[listedPerson], error) {
	q := membership.DirectoryQuery{
		Query: listing(c), NotInApplication: notInApp.Of(c), NotInEnvironment: notInEnvironment.Of(c),
	}
	if asked := hasAssignment.Of(c); asked != "" {
		q.Assigned = new(asked == "true")
	}
	list, info, err := h.Members.Directory(ctx, by.In, q)
	return wire.PageOf(list, info, err, viewListed)
}

func (h *Directory) counts(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[directoryCounts], error) {
	n, err := h.Members.CountDirectory(ctx, by.In)
	return wire.Of(directoryCounts{n.Total, n.Active, n.Total - n.Active, n.Unverified, n.NowhereMember}, err)
}

func (h *Directory) get(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Data[knownPerson], error) {
	return h.known(ctx, by.In, identityID.Of(c), nil)
}

// known answers an identity as it is after a change, or passes the change's error on.
func (h *Directory) known(
	ctx context.Context, in scope.Account, who enduser.ID, err error,
) (wire.Data[knownPerson], error) {
	if err != nil {
		return wire.Data[knownPerson]{}, err
	}
	k, err := h.Members.Know(ctx, in, who)
	return wire.Of(viewKnown(k), err)
}

func (h *Directory) memberships(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Items[placeOfPerson], error) {
	list, err := h.Members.Memberships(ctx, by.In, identityID.Of(c))
	return wire.ItemsOf(list, err, viewPlace)
}

func (h *Directory) log(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Page[event.LogRow], error) {
	list, info, err := h.Roster.Log(ctx, by.In, identityID.Of(c), logPaging.Of(c))
	return wire.PageOf(list, info, err, event.Shown)
}

func (h *Directory) erase(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Empty, error) {
	return wire.Empty{}, h.Enrolment.Erase(ctx, by.Actor, by.In, identityID.Of(c))
}

func (h *Directory) create(
	ctx context.Context, _ *wire.Call, by wire.At[scope.Account], in enrolment.DirectoryDraft,
) (wire.Data[knownPerson], error) {
	i, err := h.Enrolment.Create(ctx, by.Actor, membership.InAccount(by.In), in.New())
	return h.known(ctx, by.In, i.ID, err)
}

func (h *Directory) createMany(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in bulkDirectory,
) (wire.Bulk[createdOr[knownPerson]], error) {
	at := membership.InAccount(by.In)
	return wire.AllRows(c, in.Identities, nil,
		func(rows []enrolment.DirectoryDraft) ([]wire.Outcome[createdOr[knownPerson]], error) {
			list := make([]enrolment.New, len(rows))
			for i, d := range rows {
				list[i] = d.New()
			}
			if in.DryRun {
				return tried[knownPerson](h.Enrolment.TryCreate(ctx, by.Actor, at, list))
			}
			results, err := h.Enrolment.BulkCreate(ctx, by.Actor, at, list)
			if err != nil {
				return nil, err
			}
			return h.outcomes(ctx, by.In, results)
		})
}

// outcomes are the identities that were made, as the directory has them.
func (h *Directory) outcomes(
	ctx context.Context, in scope.Account, results []enrolment.Result,
) ([]wire.Outcome[createdOr[knownPerson]], error) {
	var made []enduser.Identity
	for _, r := range results {
		if r.Err == nil {
			made = append(made, r.Identity)
		}
	}
	known, err := h.Members.KnowEach(ctx, in, made)
	if err != nil {
		return nil, err
	}
	list := make([]wire.Outcome[createdOr[knownPerson]], len(results))
	for i, r := range results {
		if list[i].Err = r.Err; r.Err == nil {
			list[i].Made, known = wire.First[knownPerson, plannedIdentity](viewKnown(known[0])), known[1:]
		}
	}
	return list, nil
}

func (h *Directory) update(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in enduser.Change,
) (wire.Data[knownPerson], error) {
	who := identityID.Of(c)
	_, err := h.Profiles.Update(ctx, by.Actor, membership.InAccount(by.In), who, profile.Change{Change: in})
	return h.known(ctx, by.In, who, err)
}

func (h *Directory) setStatus(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in personSwitch,
) (wire.Data[knownPerson], error) {
	who := identityID.Of(c)
	_, err := h.Profiles.SetActive(ctx, by.Actor, membership.InAccount(by.In), who, *in.IsActive)
	return h.known(ctx, by.In, who, err)
}

func (h *Directory) join(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], in intoApplication,
) (wire.Data[appMembership], error) {
	a, err := h.Enrolment.Join(ctx, by.Actor, by.In, identityID.Of(c), in.ApplicationID)
	return wire.Of(viewApp(a), err)
}

func (h *Directory) leave(
	ctx context.Context, c *wire.Call, by wire.At[scope.Account], _ wire.None,
) (wire.Empty, error) {
	app := scope.Application{Account: by.In, ID: ofApplication.Of(c)}
	return wire.Empty{}, h.Enrolment.RemoveFromApplication(ctx, by.Actor, app, identityID.Of(c))
}
