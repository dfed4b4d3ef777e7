package hosted

import (
	"bytes"
	"net/http"
	"strconv"
)

// policy is the Content-Security-Policy of every answer: own files only.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

// Handler serves everything below /app/ and redirects /app itself to the
// sign-in. It answers GET and HEAD, else 405. Pages are never stored; assets
// live under the hash of their content and may be kept for a year. The answer
// depends on nothing but method and path. It is safe for concurrent use.
func Handler() http.Handler {
	return build()
}

// site holds every answer, rendered once.
type site struct {
	answers  map[string]answer // by path
	notFound answer
	refused  answer // wrong method
}

// answer is one fixed response.
type answer struct {
	status   int
	kind     string // Content-Type
	cache    string // Cache-Control
	location string // of a redirect
	body     []byte
}

const noStore = "no-store"

func build() *site {
	files := loadAssets()
	s := &site{answers: map[string]answer{
		"/app":  {status: http.StatusSeeOther, cache: noStore, location: "app/login"},
		"/app/": {status: http.StatusSeeOther, cache: noStore, location: "login"},
	}}
	for name, content := range files.content {
		s.answers["/app/assets/"+files.hash+"/"+name] = answer{
			status: http.StatusOK, kind: mediaType(name), cache: "public, max-age=31536000, immutable", body: content,
		}
	}
	for _, p := range pages {
		s.answers["/app/"+p.Name] = answer{
			status: http.StatusOK, kind: htmlType, cache: noStore, body: render(p, files.hash),
		}
	}
	s.notFound = answer{
		status: http.StatusNotFound, kind: htmlType, cache: noStore,
		body: plain("Page not found", "There is no page at this address."),
	}
	s.refused = answer{
		status: http.StatusMethodNotAllowed, kind: htmlType, cache: noStore,
		body: plain("Method not allowed", "This page can only be read."),
	}
	return s
}

// ServeHTTP looks the path up; nothing else of the request is used.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		s.refused.write(w, r)
		return
	}
	a, ok := s.answers[r.URL.Path]
	if !ok {
		a = s.notFound
	}
	a.write(w, r)
}

func (a answer) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", a.cache)
	if a.location != "" {
		h.Set("Location", a.location)
	}
	if a.kind != "" {
		h.Set("Content-Type", a.kind)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = bytes.NewReader(a.body).WriteTo(w) // a reader that went away is its own affair
	}
}
