package eventsapi

import (
	"context"
	"io"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/events/audit"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/foundation/fault"
	"canopy.dev/canopy/internal/foundation/permission"
	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/foundation/scope"
	"canopy.dev/canopy/internal/foundation/text"
	"canopy.dev/canopy/internal/platform/ratelimit"
	"canopy.dev/canopy/internal/platform/wire"
)

// Exports serves files of rows of the log.
type Exports struct{ Exports *export.Service }

// exportQuery is what a file is asked for.
type exportQuery struct {
	AuditFilters
	Format *export.Format `json:"format,omitempty" nullable:"false" doc:"How the file is written; csv when absent." default:"csv"`
}

// Rules implements text.Ruled.
func (q *exportQuery) Rules(r *text.Fields) {
	q.AuditFilters.Rules(r)
	r.Check("action", len(q.Action) <= 50, "must hold at most 50 actions")
	among(r, "format", q.Format)
}

// ExportJob is the work of making a file.
type ExportJob struct {
	ID            export.ID            `json:"id"             doc:"The job's id, which is the correlation_id of what it records."`
	Status        export.Status        `json:"status"         doc:"How far it is."`
	Surface       viewSurface          `json:"surface"        doc:"The part of the log that was asked."`
	Format        export.Format        `json:"format"         doc:"How the file is written."`
	ApplicationID *scope.ApplicationID `json:"application_id" doc:"The Application whose rows alone are asked for, if it is one."`
	EnvironmentID *scope.EnvironmentID `json:"environment_id" doc:"The Environment whose rows alone are asked for, if it is one."`
	RowCount      *int64               `json:"row_count"      doc:"How many rows the file has, once it is there." example:"4711" minimum:"0" maximum:"1000000"`
	Error         *string              `json:"error"          doc:"Why there is no file, once that is certain." maxLength:"1000" example:"There are more than 1000000 rows; choose a narrower filter or a shorter time"`
	CreatedAt     time.Time            `json:"created_at"     doc:"When it was asked for; the usual window ends here."`
	CompletedAt   *time.Time           `json:"completed_at"   doc:"When the file was made."`
	ExpiresAt     *time.Time           `json:"expires_at"     doc:"When file and job go."`
}

// exportDetail is a job with the way to its file.
type exportDetail struct {
	ExportJob
	DownloadURL *string `json:"download_url" doc:"Where the file can be fetched for 15 minutes, by anybody who knows it; another on each read." format:"uri" maxLength:"2048" example:"https://canopy.example/v1/downloads/audit-exports/019daf52-4e20-7f58-a04d-ba41ecccc3fc?account=019daac3-0200-7a4c-823b-1612dd272d13&expires=1776763800&signature=q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9q0Zk3v0r8n0"`
}

var (
	exportID = wire.PathID[export.ID]("id", "The job's id.", export.ErrNotFound)

	linkAccount   = wire.QueryFilter("account", "The Account whose file it is.", 255, text.IDRule.Example)
	linkExpires   = wire.QueryFilter("expires", "Until when the link is good, in seconds since 1970.", 255, "1776763800")
	linkSignature = wire.QueryFilter("signature", "The server's signature of the link.", 255,
		"q0Zk3v0r8n0b1Yx2u3Tt4QGdsKoCAnb9q0Zk3v0r8n0")
)

// exportRoutes are those of a surface: its id in operations, and what its rows are about.
type exportRoutes struct{ ask, list, get, end wire.Route }

func exportsOf(of, name, about string) exportRoutes {
	if name != "" {
		name = ": " + name
	}
	return exportRoutes{
		ask: wire.Route{
			Method: http.MethodPost, Path: "/export", ID: "create" + of + "Export",
			Summary: "Export the audit log" + name,
			About: "Has a file made of the rows about " + about + " that the filters mean, oldest first, in the background. " +
				"The window is fixed now. A file has a million rows at most, and an Account five unfinished ones.",
			Needs: permission.AuditExport, Idempotent: true, Status: http.StatusAccepted,
			Faults: []*fault.Error{fault.RateLimited}, Writes: []wire.EventType{export.Requested},
		},
		list: wire.Route{
			Method: http.MethodGet, Path: "/export", ID: "list" + of + "Exports",
			Summary: "List exports of the audit log" + name,
			About:   "The last 50, newest first. How a file is fetched only a single one tells.",
			Needs:   permission.AuditExport, Status: http.StatusOK,
		},
		get: wire.Route{
			Method: http.MethodGet, Path: "/export/{id}", ID: "get" + of + "Export",
			Summary: "Read an export of the audit log" + name,
			About: "How far it is. Once it is completed, download_url fetches the file without a credential, for 15 minutes; " +
				"each read makes a new one.",
			Needs: permission.AuditExport, Params: []wire.Parameter{exportID}, Status: http.StatusOK,
		},
		end: wire.Route{
			Method: http.MethodDelete, Path: "/export/{id}", ID: "delete" + of + "Export",
			Summary: "Delete an export of the audit log" + name,
			About:   "The job is gone, and so is its file; work on it stops.",
			Needs:   permission.AuditExport, Params: []wire.Parameter{exportID}, Status: http.StatusNoContent,
			Faults: []*fault.Error{export.ErrNotFound}, Writes: []wire.EventType{export.Deleted},
		},
	}
}

// Routes registers the resource.
func (h *Exports) Routes(rt *wire.Router) {
	public, r := rt.Twins("/audit-events", tagEvents), exportsOf("Audit", "", surfaces[0].about)
	wire.HandlePublic(public, r.ask, exporting(readerInEnvironment, h.ask))
	wire.HandlePublic(public, r.list, exporting(readerInEnvironment, h.list))
	wire.HandlePublic(public, r.get, exporting(readerInEnvironment, h.get))
	wire.HandlePublic(public, r.end, exporting(readerInEnvironment, h.end))
	for _, s := range surfaces {
		in, r := rt.InAccount("/audit-log/"+s.name, tagEvents), exportsOf(s.of+"Audit", s.name, s.about)
		reader := func(by wire.At[scope.Account]) audit.Reader { return readerInAccount(by, s.on) }
		wire.Handle(in, r.ask, exporting(reader, h.ask))
		wire.Handle(in, r.list, exporting(reader, h.list))
		wire.Handle(in, r.get, exporting(reader, h.get))
		wire.Handle(in, r.end, exporting(reader, h.end))
	}
	wire.Handle(rt.Public("", tagEvents), wire.Route{
		Method: http.MethodGet, Path: export.LinkPath + "{id}", ID: "downloadAuditExport",
		Summary: "Fetch an exported file",
		About: "The way of a download_url: the link is the credential. One that is too old, was changed, or leads to what " +
			"was deleted is answered 404.",
		Limits: []wire.Limit{{Name: ratelimit.Link, By: wire.ByIP}},
		Params: []wire.Parameter{exportID, linkAccount, linkExpires, linkSignature},
		Media:  []string{mediaOf(export.CSV), mediaOf(export.NDJSON)}, Status: http.StatusOK,
		Faults: []*fault.Error{export.ErrNotFound},
	}, h.download)
}

// exporting is a handler for whoever a group admits.
func exporting[By, In, Out any](
	reader func(By) audit.Reader, fn func(context.Context, *wire.Call, audit.Reader, In) (Out, error),
) func(context.Context, *wire.Call, By, In) (Out, error) {
	return func(ctx context.Context, c *wire.Call, by By, in In) (Out, error) { return fn(ctx, c, reader(by), in) }
}

func (h *Exports) ask(
	ctx context.Context, _ *wire.Call, in audit.Reader, q exportQuery,
) (wire.Data[exportDetail], error) {
	format := export.CSV
	if q.Format != nil {
		format = *q.Format
	}
	j, err := h.Exports.Ask(ctx, in, q.query(), format)
	return wire.Of(exportDetail{ExportJob: shownJob(j)}, err)
}

func (h *Exports) list(
	ctx context.Context, _ *wire.Call, in audit.Reader, _ wire.None,
) (wire.Items[ExportJob], error) {
	list, err := h.Exports.List(ctx, in)
	return wire.ItemsOf(list, err, shownJob)
}

func (h *Exports) get(
	ctx context.Context, c *wire.Call, in audit.Reader, _ wire.None,
) (wire.Data[exportDetail], error) {
	j, link, err := h.Exports.Get(ctx, in, exportID.Of(c))
	out := exportDetail{ExportJob: shownJob(j)}
	if link != "" {
		out.DownloadURL = &link
	}
	return wire.Of(out, err)
}

func (h *Exports) end(ctx context.Context, c *wire.Call, in audit.Reader, _ wire.None) (wire.Empty, error) {
	return wire.Empty{}, h.Exports.Delete(ctx, in, exportID.Of(c))
}

func (h *Exports) download(ctx context.Context, c *wire.Call, _ principal.Actor, _ wire.None) (wire.File, error) {
	f, err := h.Exports.Open(ctx, export.Link{
		Job: exportID.Of(c), Account: linkAccount.Of(c), Expires: linkExpires.Of(c), Signature: linkSignature.Of(c),
	})
	if err != nil {
		return wire.File{}, err
	}
	return wire.File{
		Name: "audit-" + f.ID.String() + "." + string(f.Format), Media: mediaOf(f.Format) + "; charset=utf-8", Size: f.Size,
		Write: func(ctx context.Context, w io.Writer) error { return f.WriteTo(ctx, w) },
	}, nil
}

// mediaOf is the media type of a format.
func mediaOf(f export.Format) string {
	if f == export.NDJSON {
		return "application/x-ndjson"
	}
	return "text/csv"
}

func shownJob(j export.Job) ExportJob {
	return ExportJob{
		j.ID, j.Status, viewSurface(j.Surface), j.Format, given(j.Application), given(j.Environment), j.RowCount, j.Error,
		j.CreatedAt, given(j.CompletedAt), given(j.ExpiresAt),
	}
}

// given is nil for nothing.
func given[T interface{ IsZero() bool }](of T) *T {
	if of.IsZero() {
		return nil
	}
	return &of
}
