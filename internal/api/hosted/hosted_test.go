package hosted_test

import (
	"net/http/httptest"
	pathpkg "path"
	"regexp"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/api/hosted"
)

var paths = []string{
	"/app/accept-invite", "/app/verify-email", "/app/reset-password",
	"/app/forgot-password", "/app/login", "/app/sign-up", "/app/identity/accept-invite",
}

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"

func get(t *testing.T, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	hosted.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	return w
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	for _, path := range append(paths, "/app/", "/app/nothing-here") {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			h := get(t, method, path).Header()
			for name, want := range map[string]string{
				"Content-Security-Policy": policy,
				"Referrer-Policy":         "no-referrer",
				"X-Content-Type-Options":  "nosniff",
				"Cache-Control":           "no-store",
			} {
				if got := h.Get(name); got != want {
					t.Errorf("%s %s: %s is %q", method, path, name, got)
				}
			}
		}
	}
	if w := get(t, "POST", "/app/accept-invite"); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("a post to a page: %d", w.Code)
	}
}

var (
	input    = regexp.MustCompile(`<input id="([^"]+)"`)
	asset    = regexp.MustCompile(`(?:src|href)="((?:\.\./)*assets/[^"]+)"`)
	foreign  = regexp.MustCompile(`(?:src|href|action)="(?:https?:)?//`)
	inline   = regexp.MustCompile(`(?i)<script(?: [^>]*)?>[^<]|<style|\son[a-z]+="|\sstyle="`)
	headings = regexp.MustCompile(`<h1 tabindex="-1">`)
)

func TestEveryPageIsOfItsOwnAndLabelled(t *testing.T) {
	t.Parallel()
	for _, path := range paths {
		w := get(t, "GET", path)
		html := w.Body.String()
		has := func(text string) bool { return strings.Contains(html, text) }
		if w.Code != 200 || !has(`<html lang="en"`) || !has("<noscript>") || !headings.MatchString(html) {
			t.Errorf("%s: %d %s", path, w.Code, html)
		}
		if foreign.MatchString(html) || inline.MatchString(html) {
			t.Errorf("%s holds what its own policy refuses", path)
		}
		for _, field := range input.FindAllStringSubmatch(html, -1) {
			if !has(`<label for="`+field[1]+`"`) || !has(`id="`+field[1]+`-error" role="alert"`) {
				t.Errorf("%s: %s has no label or no place for its error", path, field[1])
			}
		}
		assets := asset.FindAllStringSubmatch(html, -1)
		if len(assets) < 2 {
			t.Errorf("%s names %d assets", path, len(assets))
		}
		for _, a := range assets {
			w := get(t, "GET", pathpkg.Join(pathpkg.Dir(path), a[1]))
			if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s: %d %s", a[1], w.Code, w.Header().Get("Cache-Control"))
			}
		}
	}
}
