package authzenapi

import (
	"context"
	"net/http"
	"time"

	"canopy.dev/canopy/internal/foundation/principal"
	"canopy.dev/canopy/internal/platform/wire"
)

// Configuration serves what tells clients of AuthZEN where its operations are.
type Configuration struct{ Public string } // CANOPY_PUBLIC_URL, without a slash at its end

// metadata is section 9.1 of the standard.
type metadata struct {
	Point          string `json:"policy_decision_point"       doc:"Who decides." format:"uri" example:"https://canopy.example.com" maxLength:"2000"`
	Evaluation     string `json:"access_evaluation_endpoint"  doc:"POST evaluation." format:"uri" example:"https://canopy.example.com/access/v1/evaluation" maxLength:"2000"`
	Evaluations    string `json:"access_evaluations_endpoint" doc:"POST evaluations." format:"uri" example:"https://canopy.example.com/access/v1/evaluations" maxLength:"2000"`
	SearchSubject  string `json:"search_subject_endpoint"     doc:"POST search/subject." format:"uri" example:"https://canopy.example.com/access/v1/search/subject" maxLength:"2000"`
	SearchResource string `json:"search_resource_endpoint"    doc:"POST search/resource." format:"uri" example:"https://canopy.example.com/access/v1/search/resource" maxLength:"2000"`
	SearchAction   string `json:"search_action_endpoint"      doc:"POST search/action." format:"uri" example:"https://canopy.example.com/access/v1/search/action" maxLength:"2000"`
}

// Routes registers the resource.
func (h *Configuration) Routes(rt *wire.Router) {
	wire.Handle(rt.Public("/.well-known", tagAuthZEN), wire.Route{
		Method: http.MethodGet, Path: "/authzen-configuration", ID: "authzenConfiguration",
		Summary: "Find the AuthZEN operations",
		About:   "Their addresses below the public URL of the server, by whatever host name the call came.",
		Status:  http.StatusOK, CacheFor: 5 * time.Minute,
	}, h.get)
}

func (h *Configuration) get(context.Context, *wire.Call, principal.Actor, wire.None) (metadata, error) {
	at := h.Public + prefix
	return metadata{
		h.Public, at + "/evaluation", at + "/evaluations",
		at + "/search/subject", at + "/search/resource", at + "/search/action",
	}, nil
}
