package mail_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"canopy.dev/canopy/internal/platform/mail"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const token = "Zm9yLXRlc3RzLW9ubHktMzItYnl0ZXMtb2YtdGV4dC4"

var (
	expires = time.Date(2026, 3, 9, 1, 30, 0, 0, time.FixedZone("", 2*3600)) // 8 March, 23:30 UTC
	kinds   = []mail.Kind{
		mail.UserInvite, mail.VerifyEmail, mail.AlreadyRegistered, mail.PasswordReset, mail.PasswordChanged,
		mail.WebhookDisabled,
		mail.IdentityPasswordReset, mail.IdentityVerifyEmail, mail.IdentityInvite, mail.IdentityInviteReset,
	}
)

func renderer(t testing.TB) *mail.Renderer {
	t.Helper()
	return rendererFor(t, "https://id.acme.example")
}

func rendererFor(t testing.TB, public string) *mail.Renderer {
	t.Helper()
	u, err := url.Parse(public)
	if err != nil {
		t.Fatal(err)
	}
	r, err := mail.NewRenderer(u, "Canopy <no-reply@acme.example>")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func data(kind mail.Kind) mail.Data {
	d := mail.Data{
		Kind: kind, To: "dana@acme.com", FirstName: "Dana",
		AccountName: "Acme Realty", ApplicationName: "Lease Desk",
		InviterEmail: "ana@acme.com", At: expires,
	}
	switch kind {
	case mail.UserInvite, mail.VerifyEmail, mail.PasswordReset, mail.IdentityPasswordReset, mail.IdentityVerifyEmail,
		mail.IdentityInvite, mail.IdentityInviteReset:
		d.Token, d.ExpiresAt = token, expires
	case mail.AlreadyRegistered, mail.PasswordChanged, mail.WebhookDisabled: // no link
	}
	return d
}

func render(t testing.TB, d mail.Data) mail.Message {
	t.Helper()
	m, err := renderer(t).Render(d, "018f3c1e-7b1a-7c3e-9b2d-0123456789ab")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func goldenMail(t *testing.T, name string, m mail.Message) {
	t.Helper()
	golden(t, name+".txt",
		fmt.Sprintf("From: %s\nTo: %s\nSubject: %s\nMessage-ID: <%s>\n\n%s", m.From, m.To, m.Subject, m.MessageID, m.Text))
	golden(t, name+".html", m.HTML)
}

func TestRenderGolden(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			goldenMail(t, string(kind), render(t, data(kind)))
		})
	}
	t.Run("user_invite without inviter", func(t *testing.T) {
		t.Parallel()
		d := data(mail.UserInvite)
		d.InviterEmail = ""
		goldenMail(t, "user_invite_no_inviter", render(t, d))
	})
	t.Run("hostile", func(t *testing.T) {
		t.Parallel()
		d := data(mail.VerifyEmail)
		d.FirstName = "\"><script>alert(1)</script>\r\nBcc: eve@evil.example\u202e"
		d.AccountName = `Q & A <img src=x onerror="alert(1)">{{.Link}}`
		d.ApplicationName = "Click HTTPS://evil.example now"
		goldenMail(t, "hostile", render(t, d))
	})
}

func TestLinks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		public string
		kind   mail.Kind
		want   string
	}{
		{"https://id.acme.example", mail.UserInvite, "https://id.acme.example/app/accept-invite#token=" + token},
		{"https://id.acme.example/", mail.VerifyEmail, "https://id.acme.example/app/verify-email#token=" + token},
		{"http://localhost:8080", mail.PasswordReset, "http://localhost:8080/app/reset-password#token=" + token},
		{"https://acme.example/canopy/", mail.UserInvite, "https://acme.example/canopy/app/accept-invite#token=" + token},
		{
			"https://id.acme.example", mail.IdentityPasswordReset,
			"https://id.acme.example/app/identity/reset-password#token=" + token,
		},
		{
			"https://id.acme.example", mail.IdentityVerifyEmail,
			"https://id.acme.example/app/identity/verify-email#token=" + token,
		},
		{
			"https://id.acme.example", mail.IdentityInvite,
			"https://id.acme.example/app/identity/accept-invite#token=" + token,
		},
		{
			"https://id.acme.example", mail.IdentityInviteReset,
			"https://id.acme.example/app/identity/accept-invite#token=" + token,
		},
		{"https://id.acme.example", mail.AlreadyRegistered, "https://id.acme.example/app/login"},
		{"https://id.acme.example", mail.PasswordChanged, "https://id.acme.example/app/forgot-password"},
	} {
		m, err := rendererFor(t, tt.public).Render(data(tt.kind), "id")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.Text, "\n"+tt.want+"\n") {
			t.Errorf("%s: text lacks the line %s:\n%s", tt.kind, tt.want, m.Text)
		}
		if !strings.Contains(m.HTML, `href="`+tt.want+`"`) || !strings.Contains(m.HTML, ">"+tt.want+"</span>") {
			t.Errorf("%s: HTML lacks the button or the plain link %s", tt.kind, tt.want)
		}
	}
}

// Every link is ours, nothing is fetched, there is one button, and the kinds
// without a link of their own hold no token even when they are given one.
func TestHTMLHoldsOnlyOurLinks(t *testing.T) {
	t.Parallel()
	address := regexp.MustCompile(`(?i)https?://[^"<\s]*`)
	for _, kind := range kinds {
		d := data(kind)
		d.Token = token
		m := render(t, d)
		for _, found := range address.FindAllString(m.HTML+m.Text, -1) {
			if !strings.HasPrefix(found, "https://id.acme.example/app/") {
				t.Errorf("%s: foreign address %s", kind, found)
			}
		}
		for _, forbidden := range []string{"<img", "<script", "<link", "url(", "@import", "src=", "<form", "<iframe"} {
			if strings.Contains(strings.ToLower(m.HTML), forbidden) {
				t.Errorf("%s: HTML holds %s", kind, forbidden)
			}
		}
		if n := strings.Count(m.HTML, `class="key"`); n != 1 {
			t.Errorf("%s: %d buttons", kind, n)
		}
		tokenless := kind == mail.AlreadyRegistered || kind == mail.PasswordChanged ||
			kind == mail.WebhookDisabled
		if tokenless == strings.Contains(m.Text+m.HTML, token) {
			t.Errorf("%s: token in the mail: %v", kind, !tokenless)
		}
	}
}

func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"Dana", "Hello Dana,"},
		{"D'Arcy-O’Neill & Söhne", "Hello D'Arcy-O’Neill & Söhne,"},
		{"علی رضا", "Hello علی رضا,"},
		{strings.Repeat("界", 100), "Hello " + strings.Repeat("界", 100) + ","},
		{"", "Hello there,"},
		{" \u200b\u2028 ", "Hello there,"},
		{"http://evil.example", "Hello there,"},
		{"URGENT: verify at login-canopy.example/a", "Hello there,"},
		{"evil.example", "Hello there,"},
		{"w\u200bw\u200dw.evil.example", "Hello there,"},
		{"ｗｗｗ．evil.example", "Hello there,"},
		{"www。evil.example", "Hello there,"},
		{"pаypal", "Hello there,"}, // with a Cyrillic letter
		{"Da\r\nna", "Hello there,"},
		{"Da\x00\x1b[31mna", "Hello there,"},
		{"\u202eanaD\u202c", "Hello there,"},
		{"Da\xffna", "Hello there,"},
		{"{{.Link}}", "Hello there,"},
	} {
		d := data(mail.PasswordChanged)
		d.FirstName = tt.name
		m := render(t, d)
		if first, _, _ := strings.Cut(m.Text, "\n"); first != tt.want {
			t.Errorf("%q: %q, want %q", tt.name, first, tt.want)
		}
	}
}

// A stranger's names reach an address that is not proven only as plain words of 60
// characters at most.
func TestNeutralWords(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Win at www.evil.example", "ftp://evil.example", "evil.example", "evil: call us", strings.Repeat("evil ", 12) + "a",
	} {
		d := data(mail.VerifyEmail)
		d.FirstName, d.AccountName, d.ApplicationName = name, name, name
		m := render(t, d)
		if strings.Contains(m.Text+m.HTML, "evil") || !strings.Contains(m.HTML, "<bdi>your account</bdi></strong>.</p>") ||
			!strings.Contains(m.Text, "up your account.\n") || !strings.HasPrefix(m.Text, "Hello there,") {
			t.Errorf("verify_email:\n%s", m.Text)
		}
		d = data(mail.UserInvite)
		d.FirstName, d.AccountName = name, name
		m = render(t, d)
		if strings.Contains(m.Text+m.HTML, "evil") || !strings.Contains(m.Text, "join a team.") {
			t.Errorf("user_invite:\n%s", m.Text)
		}
	}
	d := data(mail.VerifyEmail)
	d.AccountName = strings.Repeat("a", 60)
	if m := render(t, d); !strings.Contains(m.Text, d.AccountName+" and its first application, Lease Desk.") {
		t.Errorf("60 letters:\n%s", m.Text)
	}
	for _, inviter := range []string{
		"www.evil.example@x.example", "http://evil.example", "not an address", "a b@x.example", "@", "x@",
	} {
		d = data(mail.UserInvite)
		d.AccountName, d.InviterEmail = "https://evil.example/", inviter
		m := render(t, d)
		if !strings.Contains(m.Text, "\na colleague has invited you to join a team.\n") ||
			strings.Contains(m.HTML, "evil") {
			t.Errorf("%q:\n%s", inviter, m.Text)
		}
	}
}

func TestHTMLEscapesNames(t *testing.T) {
	t.Parallel()
	d := data(mail.UserInvite)
	d.FirstName, d.AccountName, d.InviterEmail = "D'Arcy", "Smith & Söhne", "<b>'&amp;@acme.com"
	m := render(t, d)
	for _, want := range []string{"D&#39;Arcy", "Smith &amp; Söhne", "&lt;b&gt;&#39;&amp;amp;@acme.com"} {
		if !strings.Contains(m.HTML, want) {
			t.Errorf("lacks %s:\n%s", want, m.HTML)
		}
	}
	for _, want := range []string{"D'Arcy", "Smith & Söhne", "<b>'&amp;@acme.com"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("lacks %s:\n%s", want, m.Text)
		}
	}
}

// Whatever the names are, everything that reaches a header stays the same.
func TestHeadersHoldNoNames(t *testing.T) {
	t.Parallel()
	for _, kind := range kinds {
		plain, d := render(t, data(kind)), data(kind)
		d.FirstName, d.AccountName = "x\r\nBcc: a@b.c", "y\nSubject: z"
		d.ApplicationName, d.InviterEmail = "\u202e", "e\r\n@x.y"
		m := render(t, d)
		plain.Text, plain.HTML, m.Text, m.HTML = "", "", "", ""
		if diff := cmp.Diff(plain, m); diff != "" {
			t.Errorf("%s:\n%s", kind, diff)
		}
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*mail.Data){
		"unknown kind":        func(d *mail.Data) { d.Kind = "password_hint" },
		"no recipient":        func(d *mail.Data) { d.To = "" },
		"recipient with name": func(d *mail.Data) { d.To = "Dana <dana@acme.com>" },
		"two recipients":      func(d *mail.Data) { d.To = "dana@acme.com, eve@evil.example" },
		"header in recipient": func(d *mail.Data) { d.To = "dana@acme.com\r\nBcc: eve@evil.example" },
		"quoted recipient":    func(d *mail.Data) { d.To = `"a b"@acme.com` },
		"non-ASCII recipient": func(d *mail.Data) { d.To = "dänä@acme.com" },
		"no token":            func(d *mail.Data) { d.Token = "" },
		"token with more":     func(d *mail.Data) { d.Token = token + "\" onclick=\"x" },
		"no expiry":           func(d *mail.Data) { d.ExpiresAt = time.Time{} },
	} {
		d := data(mail.UserInvite)
		change(&d)
		_, err := renderer(t).Render(d, "id")
		if err == nil || strings.ContainsAny(err.Error(), "@\r\n") || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	d := data(mail.PasswordChanged)
	d.At = time.Time{}
	if _, err := renderer(t).Render(d, "id"); err == nil {
		t.Error("password_changed without a time was rendered")
	}
	for _, id := range []string{"", "a b", "a@b", "a>\r\nX: y", "a..b"} {
		if _, err := renderer(t).Render(data(mail.PasswordChanged), id); err == nil {
			t.Errorf("message id %q was taken", id)
		}
	}
}

func TestNewRendererRefuses(t *testing.T) {
	t.Parallel()
	const from = "Canopy <no-reply@acme.example>"
	for _, public := range []string{
		"", "/app", "ftp://acme.example", "javascript:alert(1)", "https://", "https://u:p@acme.example",
		"https://acme.example?x=y", "https://acme.example#x",
	} {
		u, err := url.Parse(public)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mail.NewRenderer(u, from); err == nil {
			t.Errorf("public URL %q was taken", public)
		}
	}
	if _, err := mail.NewRenderer(nil, from); err == nil {
		t.Error("no public URL was taken")
	}
	good := &url.URL{Scheme: "https", Host: "acme.example"}
	for _, from := range []string{
		"", "Canopy", "a@b, c@d", "Canopy\r\nBcc: x@y <a@b.example>", "=?utf-8?q?a=0Ab?= <a@b.example>",
		"A <a@b.example>, C <c@d.example>", "a@b.example <c@d.example>", "Canopy <>", "Canopy <a@b.example", "a@-ü.example",
		"Canopy \u202e <a@b.example>", "a@b.example\r\n (x)", "Canopy <a@b\u2028.example>",
	} {
		if _, err := mail.NewRenderer(good, from); err == nil {
			t.Errorf("sender %q was taken", from)
		}
	}
	for _, from := range []string{"Canopy <no-reply@localhost>", "a@b.example", "Zoë <zoe@b.example>"} {
		if _, err := mail.NewRenderer(good, from); err != nil {
			t.Errorf("sender %q: %v", from, err)
		}
	}
}

func TestDataSurvivesJSON(t *testing.T) {
	t.Parallel()
	want := data(mail.UserInvite)
	want.ExpiresAt, want.At = want.ExpiresAt.UTC(), want.At.UTC()
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got mail.Data
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLogsHoldNoSecrets(t *testing.T) {
	t.Parallel()
	d := data(mail.UserInvite)
	m := render(t, d)
	got := d.LogValue().String() + m.LogValue().String()
	if strings.Contains(got, token) || strings.Contains(got, "dana") {
		t.Errorf("logged: %s", got)
	}
}

// wwwLink is what a reader makes a link of; "www." may also end a clause of ours.
var wwwLink = regexp.MustCompile(`(?i)www\.[^\s.,]`)

// Whatever a person is called, the mail keeps its lines and its elements, and
// gains no link.
func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"Dana", "a\r\nb", "<b>", `"'`, "\u202e", "www.x", "evil.example", "a. b", "x://y",
		"\xff", "{{.}}", "-->", "www", "ｗｗｗ．", "&lt;",
	} {
		f.Add(s)
	}
	r := renderer(f)
	neutral := data(mail.VerifyEmail)
	neutral.FirstName, neutral.AccountName, neutral.ApplicationName = "", "", ""
	like := map[bool]mail.Message{}
	for shown, d := range map[bool]mail.Data{true: data(mail.VerifyEmail), false: neutral} {
		m, err := r.Render(d, "id")
		if err != nil {
			f.Fatal(err)
		}
		like[shown] = m
	}
	f.Fuzz(func(t *testing.T, name string) {
		d := data(mail.VerifyEmail)
		d.FirstName, d.AccountName, d.ApplicationName = name, name, name
		m, err := r.Render(d, "id")
		if err != nil {
			t.Fatal(err)
		}
		plain := like[strings.Contains(m.Text, "first application")]
		for _, mark := range []string{"\n", "<", ">", "://"} {
			if strings.Count(m.HTML, mark) != strings.Count(plain.HTML, mark) {
				t.Errorf("%q changes the number of %q in the HTML", name, mark)
			}
		}
		if strings.Count(m.Text, "\n") != strings.Count(plain.Text, "\n") || strings.Count(m.Text, "://") != 1 ||
			wwwLink.MatchString(m.Text) {
			t.Errorf("%q changes the text:\n%s", name, m.Text)
		}
	})
}
