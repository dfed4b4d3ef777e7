package tenantapi_test

import (
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// TestNumbersOfSettingsKeepTheirDigits, in the answer, in what is read later, and in what
// a writer of an earlier version is told.
func TestNumbersOfSettingsKeepTheirDigits(t *testing.T) {
	t.Parallel()
	const sent = `{"id":9007199254740993,"list":[1.10,1e300,-0,123456789012345678901234567890],"deep":{"x":0.1000}}`
	const kept = `{"deep":{"x":0.1000},"id":9007199254740993,"list":[1.10,1e300,-0,123456789012345678901234567890]}`
	servertest.Each(t, nil, func(t *testing.T, s *servertest.Server) {
		alex, slug := s.SignUp("alex@acme.com", "Acme")
		path := "/portal/v1/accounts/" + slug
		for what, a := range map[string]servertest.Answer{
			"the answer":        alex.Must(200, "PATCH", path, `{"settings":`+sent+`}`),
			"what is read":      alex.Must(200, "GET", path, nil),
			"written once more": alex.Must(200, "PATCH", path, `{"settings":`+kept+`}`),
			"a clash":           alex.Must(409, "PATCH", path, `{"name":"B"}`, "If-Match", `"1"`),
		} {
			if !strings.Contains(a.Raw, `"settings":`+kept) {
				t.Errorf("%s: %s", what, a.Raw)
			}
		}
	})
}
