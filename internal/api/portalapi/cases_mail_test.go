package portalapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"canopy.dev/canopy/internal/server/servertest"
)

// The cases of what stands in mails, and of where their links lead.

// mails are the HTML and text parts of the mails to an address.
func (w world) mails(t *testing.T, to string) (html, text string) {
	t.Helper()
	w.Deliver()
	for _, mail := range w.Mail.Messages() {
		if mail.To == to {
			html, text = html+mail.HTML, text+mail.Text
		}
	}
	if html == "" {
		t.Fatalf("no mail to %s", to)
	}
	return html, text
}

func htmlInNames(t *testing.T, w world) {
	const evil = `<img src=x onerror=alert(1)>`
	a := w.Alex.Do("POST", w.invites(), m{"email": "dana@acme.com", "first_name": evil, "last_name": `<b>Cole</b>`})
	if a.Status == 400 {
		return // refused is as good; the pages are looked at in a browser elsewhere
	}
	is(t, "create", a, 201, "")
	html, _ := w.mails(t, "dana@acme.com")
	if strings.Contains(html, "<img src=x") || strings.Contains(html, "<b>Cole") {
		t.Error("the mail holds the markup")
	}
}

func htmlInAccountName(t *testing.T, w world) {
	for i, name := range []string{
		`Acme <a href="https://evil.example">here</a>`, `"Acme" 'Realty' & Co`,
		"https://evil.example/win", "evil.example free money",
	} {
		a := w.Alex.Do("PATCH", "/portal/v1/accounts/"+w.Slug, m{"name": name})
		if a.Status == 400 {
			continue
		}
		is(t, "rename", a, 200, "")
		email := fmt.Sprintf("d%d@acme.com", i)
		_, _ = w.Invite(email)
		html, text := w.mails(t, email)
		linked := strings.Contains(html, `href="https://evil.example`) ||
			strings.Contains(html, `<a href="https://evil`)
		if linked || strings.Contains(text, "https://evil.example") {
			t.Errorf("%q links in the mail: %s", name, text)
		}
	}
}

func anchorAndHeaderInjection(t *testing.T, w world) {
	for i, name := range []string{
		`"><a href=https://evil.example>x</a>`, "Dana\r\nBcc: eve@evil.com", "Dana\nSubject: x",
		"\u202eanaD", "Da\u2066na", "Da\u0000na", strings.Repeat("界", 100), strings.Repeat("𝔇", 100),
	} {
		email := fmt.Sprintf("d%d@acme.com", i)
		a := w.Alex.Do("POST", w.invites(), m{"email": email, "first_name": name, "last_name": "Cole"})
		if a.Status == 400 {
			if a.Code() != "validation" || !strings.Contains(a.Raw, "first_name") {
				t.Errorf("%q: %s", name, a.Raw)
			}
			continue
		}
		is(t, name, a, 201, "")
		html, text := w.mails(t, email)
		if strings.Contains(html, "<a href=https://evil") || strings.ContainsAny(text, "\u202e\u2066\u0000") {
			t.Errorf("%q is in the mail: %s", name, text)
		}
		for _, mail := range w.Mail.Messages() {
			if mail.To != email && mail.To != "alex@acme.com" && strings.HasPrefix(mail.To, "eve") {
				t.Errorf("a mail went to %s", mail.To)
			}
		}
	}
	for _, email := range []string{
		"dana@acme.com\r\nBcc: eve@evil.com", "dana@acme.com, eve@evil.com", "<dana@acme.com>", "Dana <dana@acme.com>",
	} {
		is(t, email, w.Alex.Do("POST", w.invites(), servertest.Invitation(email)), 400, "validation")
	}
}

func everyHostHeader(t *testing.T, w world) {
	headers := []string{
		"Host", "X-Forwarded-Host", "Forwarded", "X-Original-Host", "X-Host", "X-Forwarded-Server", "X-Rewrite-Url",
	}
	var all []string
	for i, header := range headers {
		value := "evil.example"
		if header == "Forwarded" {
			value = "host=evil.example;proto=https"
		}
		email := string(rune('a'+i)) + "@acme.com"
		if header == "Host" { // a foreign one is not answered at all; one that is ours by another name is
			is(t, value, w.Alex.Do("POST", w.invites(), servertest.Invitation(email), header, value), 421, "")
			value = "localhost:99"
		}
		all = append(all, header, value)
		w.Alex.Must(201, "POST", w.invites(), servertest.Invitation(email), header, value)
	}
	w.Alex.Must(201, "POST", w.invites(), servertest.Invitation("all@acme.com"), all...)
	w.absoluteLine(t, "http://localhost:99"+w.invites(), `{"email":"line@acme.com","first_name":"D","last_name":"C"}`)
	w.Client().Must(200, "POST", "/v1/auth/forgot-password", m{"email": "alex@acme.com"}, all...)
	w.Deliver()
	links := 0
	for _, mail := range w.Mail.Messages() {
		all := mail.Text + mail.HTML
		if strings.Contains(all, "evil.example") || strings.Contains(all, ":99") || !strings.Contains(all, w.URL+"/app/") {
			t.Errorf("%s: %s", mail.To, mail.Text)
		}
		links++
	}
	if links != len(headers)+4 { // and the sign-up's, the one with all headers, the one with the line, the reset
		t.Errorf("%d mails", links)
	}
}

// absoluteLine posts with a whole URL of another host in the request line, as one
// does to a proxy (RFC 9112, section 3.2.2).
func (w world) absoluteLine(t *testing.T, target, body string) {
	t.Helper()
	proxy, err := url.Parse(w.URL)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.Alex.Token)
	transport := &http.Transport{Proxy: http.ProxyURL(proxy)}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		t.Errorf("an absolute request line: %d", res.StatusCode)
	}
}

func noCallerChosenLink(t *testing.T, w world) {
	const evil = "https://evil.example/x"
	fields := strings.Fields("redirect_uri redirect_url return_to callback_url base_url url host link accept_url")
	for i, field := range fields {
		body := servertest.Invitation(fmt.Sprintf("d%d@acme.com", i))
		body[field] = evil
		is(t, "invite with "+field, w.Alex.Do("POST", w.invites(), body), 400, "validation")
		forgot := m{"email": "alex@acme.com", field: evil}
		is(t, "reset with "+field, w.Client().Do("POST", "/v1/auth/forgot-password", forgot), 400, "validation")
		invitation := servertest.Invitation(fmt.Sprintf("q%d@acme.com", i))
		w.Alex.Must(201, "POST", w.invites()+"?"+field+"="+evil, invitation)
	}
	w.Deliver()
	for _, mail := range w.Mail.Messages() {
		if strings.Contains(mail.Text+mail.HTML, "evil.example") {
			t.Errorf("%s: %s", mail.To, mail.Text)
		}
	}
}
