package server

import (
	"cmp"
	"maps"
	"net/http"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/access/apikey"
	"canopy.dev/canopy/internal/events/event"
	"canopy.dev/canopy/internal/events/export"
	"canopy.dev/canopy/internal/events/webhook"
	"canopy.dev/canopy/internal/platform/reference"
	"canopy.dev/canopy/internal/platform/signingkey"
	"canopy.dev/canopy/internal/platform/wire"
	"canopy.dev/canopy/internal/portal/invite"
)

// Document is the OpenAPI document of all doors, made without a store.
func Document(about wire.About) ([]byte, error) {
	about.Payloads = payloads()
	return described().Document(about)
}

// Errors is the catalogue of all error codes, made without a store.
func Errors() []wire.ErrorCode { return described().Errors() }

// Operations are all operations, made without a store.
func Operations() []wire.Operation { return described().Operations() }

// Doors are the operations of each door, by its name, made without a store.
func Doors() map[string][]wire.Operation {
	doors := map[string][]wire.Operation{}
	for _, d := range bareAPI().doors {
		rt := bareRouter()
		(&api{doors: []door{d}}).routes(rt)
		doors[d.name] = rt.Operations()
	}
	return doors
}

// background are the events that no operation records.
var background = []event.Declared{
	invite.DeliveryChanged, event.RetentionSwept, webhook.Disabled, webhook.DeliveryFailed, export.Executed,
	export.Failure,
}

// Events is the catalogue of all that is ever recorded, by action.
func Events() []event.CatalogueEntry {
	all := map[string]event.CatalogueEntry{}
	add := func(e event.Declared, operations ...string) {
		entry, known := all[e.Name()]
		if !known {
			entry = e.Entry()
		}
		entry.Operations = append(entry.Operations, operations...)
		all[e.Name()] = entry
	}
	for _, op := range Operations() {
		for _, e := range op.Writes {
			declared, _ := e.(event.Declared) // there is no other kind
			add(declared, op.ID)
		}
	}
	for _, e := range background {
		add(e)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b event.CatalogueEntry) int {
		return cmp.Compare(a.Action, b.Action)
	})
}

// Catalogue is Events with the schemas of what they add, made without a store.
func Catalogue() []event.CatalogueEntry {
	list := Events()
	for i := range list {
		list[i].Metadata = wire.MetadataSchema(metadataOf(list[i].Action))
	}
	return list
}

// described has every route, to be described and not to be served.
func described() *wire.Router {
	rt := bareRouter()
	bareAPI().routes(rt)
	return rt
}

func bareRouter() *wire.Router {
	return wire.NewRouter(wire.Config{
		InvalidToken: signingkey.ErrInvalidToken, Places: newTenant(&platform{}).places(), DeniedEvent: apikey.Refused,
	})
}

func bareAPI() *api { return newAPI(nil, &platform{}, &tenant{}, &identity{}, &portal{}) }

// mountDocument serves the OpenAPI document and the page made of it. Both are made
// when somebody first asks: describing every route is much of a start, and most
// commands that start a server show neither.
func (s *Server) mountDocument(about wire.About) {
	made := sync.OnceValues(func() (doc []byte, page http.Handler) {
		doc, err := Document(about)
		if err == nil {
			page, err = reference.Handler(doc)
		}
		if err != nil {
			panic(err) // the routes are the same in every process, and a test has described them
		}
		return doc, page
	})
	s.Router.Mount("GET /openapi.json", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		doc, _ := made()
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "public, max-age=300")
		_, _ = w.Write(doc)
	}))
	s.Router.Mount("GET /docs", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, page := made()
		page.ServeHTTP(w, r)
	}))
}
