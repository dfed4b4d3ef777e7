package wire

import (
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Payload is what the document says of the body of one type of events.
type Payload struct {
	Event     string
	About     string
	Resources []string // what it may be about
	Metadata  []reflect.Type
}

// PayloadSchema names the schema of an event's body: WebhookRolePermissionsUpdatedEvent is that
// of role.permissions.updated.
func PayloadSchema(event string) string {
	var b strings.Builder
	b.WriteString("Webhook")
	for _, word := range strings.FieldsFunc(event, func(r rune) bool { return r == '.' || r == '_' }) {
		b.WriteString(title(word))
	}
	b.WriteString("Event")
	return b.String()
}

// webhooks describes what is sent to webhooks.
func (d *document) webhooks(all []Payload) {
	for _, p := range all {
		name := PayloadSchema(p.Event)
		d.schemas.Map()[name] = d.payload(p)
		if d.Webhooks == nil {
			d.Webhooks = map[string]*huma.PathItem{}
		}
		d.Webhooks[p.Event] = &huma.PathItem{Post: &huma.Operation{
			Method: http.MethodPost, OperationID: name, Summary: p.Event, Description: p.About, Tags: []string{"Webhooks"},
			Security: []map[string][]string{},
			RequestBody: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
				mediaJSON: {Schema: &huma.Schema{Ref: "#/components/schemas/" + name}},
			}},
			Responses: map[string]*huma.Response{"2XX": {Description: "Any of these says that it was received."}},
		}}
	}
}

func (d *document) payload(p Payload) *huma.Schema {
	orNull := func(about string) *huma.Schema {
		return &huma.Schema{
			Type: huma.TypeString, Format: "uuid", Nullable: true, Description: about, Examples: []any{exampleID},
		}
	}
	words := func(about string, words ...string) *huma.Schema {
		s := enumSchema(words)
		s.Description = about
		return &s
	}
	data := &huma.Schema{
		Type: huma.TypeObject, Description: "What has happened, and where.", Properties: map[string]*huma.Schema{
			"account_id":     orNull("The Account."),
			"application_id": orNull("The Application; null for an event of the Account."),
			"environment_id": orNull("The Environment; null for an event of the Account or an Application."),
			"actor_id":       orNull("Who has done it; null for the system."),
			"actor_type":     {Type: huma.TypeString, Description: "What has done it: a user, an API key.", MaxLength: new(32)},
			"resource_type":  words("What it is about.", p.Resources...),
			"resource_id":    orNull("Which one; null where there are several."),
			"metadata":       d.metadata(p.Metadata),
			"timestamp": {
				Type: huma.TypeString, Format: "date-time", Description: "When.", Examples: []any{exampleTime},
			},
		},
	}
	for name := range data.Properties {
		data.Required = append(data.Required, name)
	}
	slices.Sort(data.Required)
	return &huma.Schema{
		Type: huma.TypeObject, Required: []string{"event", "data"}, Description: p.About,
		Properties: map[string]*huma.Schema{"event": words("The type.", p.Event), "data": data},
	}
}

// MetadataSchema is the JSON schema of what events add, with one of several payloads; it refers
// to nothing outside.
func MetadataSchema(of []reflect.Type) *huma.Schema {
	d := &document{schemas: documentRegistry{newRegistry()}, typed: map[reflect.Type]bool{}}
	return d.whole(d.metadata(of))
}

// whole has what a schema refers to in place of the references. No payload holds itself.
func (d *document) whole(s *huma.Schema) *huma.Schema {
	if s == nil {
		return nil
	}
	if s.Ref != "" {
		return d.whole(d.schemas.SchemaFromRef(s.Ref))
	}
	own := *s
	own.Items = d.whole(s.Items)
	own.AnyOf, own.OneOf, own.AllOf = d.wholes(s.AnyOf), d.wholes(s.OneOf), d.wholes(s.AllOf)
	if values, is := s.AdditionalProperties.(*huma.Schema); is {
		own.AdditionalProperties = d.whole(values)
	}
	own.Properties = map[string]*huma.Schema{}
	for name, of := range s.Properties {
		own.Properties[name] = d.whole(of)
	}
	return &own
}

func (d *document) wholes(list []*huma.Schema) (all []*huma.Schema) {
	for _, s := range list {
		all = append(all, d.whole(s))
	}
	return all
}

// metadata is the schema of what an event adds; more may come.
func (d *document) metadata(of []reflect.Type) *huma.Schema {
	var some []*huma.Schema
	for _, t := range of {
		one := d.schema(t, "")
		d.bound(one)
		some = append(some, one)
	}
	if len(some) == 1 {
		return some[0]
	}
	return &huma.Schema{AnyOf: some, Description: "What the event adds."}
}

// mostPayload is how long a text of a payload is at most: what is recorded has been judged.
const mostPayload = 1000

// bound says of the texts in a payload how long they get, where they don't say so themselves.
func (d *document) bound(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Ref != "" {
		s = d.schemas.SchemaFromRef(s.Ref)
	}
	if s.Type == huma.TypeString && s.Format == "" && len(s.Enum) == 0 && s.Pattern == "" && s.MaxLength == nil {
		s.MaxLength = new(mostPayload)
	}
	for _, of := range s.Properties {
		d.bound(of)
	}
	d.bound(s.Items)
	for _, of := range slices.Concat(s.AnyOf, s.OneOf, s.AllOf) {
		d.bound(of)
	}
}
