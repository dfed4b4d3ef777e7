package reference

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const small = `{"openapi":"3.1.0","info":{"title":"Farm","version":"1"},
"tags":[{"name":"Cattle","description":"All that moos."}],
"paths":{"/v1/cows/{id}":{"get":{"operationId":"getCow","summary":"Read a cow","description":"Gives a cow.",
  "tags":["Cattle"],"security":[{"bearer":[]}],
  "parameters":[{"name":"id","in":"path","required":true}],
  "responses":{"200":{"description":"OK",
    "content":{"application/json":{"schema":{"$ref":"#/components/schemas/Cow"}}}},
               "404":{"description":"cows.not_found: <b>No</b> such cow"}}}}},
"components":{"schemas":{"Cow":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},
  "calves":{"type":["array","null"],"items":{"$ref":"#/components/schemas/Cow"}}}}}}}`

// The page shows every operation, follows references that run in a circle only
// so far, and shows texts as text.
func TestPage(t *testing.T) {
	t.Parallel()
	h, err := Handler([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/docs", nil))
	body := w.Body.String()
	for _, want := range []string{
		"Cattle", "All that moos.", "Read a cow", "Gives a cow.", "/v1/cows/{id}", `id="getCow"`,
		"Authorization: Bearer", "list of object", "calves",
		"&lt;b&gt;No&lt;/b&gt; such cow",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "<b>No"} {
		if strings.Contains(body, never) {
			t.Errorf("the page holds %q", never)
		}
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") {
		t.Errorf("policy %q", policy)
	}
}

func TestPageOfNoDocument(t *testing.T) {
	t.Parallel()
	if _, err := Handler([]byte("farm")); err == nil {
		t.Error("no error")
	}
}
