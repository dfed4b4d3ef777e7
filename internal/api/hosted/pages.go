package hosted

import (
	"bytes"
	"embed"
	"html/template"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

// page is one address below /app/. Its body is templates/<File>.html and its
// script assets/<File>.js.
type page struct {
	Name  string
	Title string
	Wide  bool // room for a table
}

// File is the name of the page's files: its own, without folders.
func (p page) File() string { return strings.ReplaceAll(p.Name, "/", "-") }

// up leads from the page to /app/.
func (p page) up() string { return strings.Repeat("../", strings.Count(p.Name, "/")) }

var pages = []page{
	{Name: "accept-invite", Title: "Accept an invitation"},
	{Name: "forgot-password", Title: "Forgotten password"},
	{Name: "identity/accept-invite", Title: "Accept an invitation"},
	{Name: "login", Title: "Sign in", Wide: true},
	{Name: "reset-password", Title: "Choose a new password"},
	{Name: "sign-up", Title: "Create an Account"},
	{Name: "verify-email", Title: "Confirm your e-mail address"},
}

// field is one labelled input with its places for a hint and an error.
type field struct {
	ID           string // unique in the page
	Name         string // of the API field: a detail that begins with it lands here
	Label        string
	Type         string
	Autocomplete string
	ReadOnly     bool
	Rules        string // list the rule of a new password: "portal" or "identity"; "" for none
}

var helpers = template.FuncMap{
	"text": func(id, name, label, autocomplete string) field {
		return field{ID: id, Name: name, Label: label, Type: "text", Autocomplete: autocomplete}
	},
	"email": func(id string) field {
		return field{ID: id, Name: "email", Label: "E-mail", Type: "email", Autocomplete: "username"}
	},
	"othersEmail": func(id string) field {
		return field{ID: id, Name: "email", Label: "E-mail", Type: "email", Autocomplete: "off"}
	},
	"fixedEmail": func(id string) field {
		return field{ID: id, Name: "email", Label: "E-mail", Type: "email", Autocomplete: "username", ReadOnly: true}
	},
	"newPassword": func(id, label string) field {
		return field{ID: id, Name: "password", Label: label, Type: "password", Autocomplete: "new-password", Rules: "portal"}
	},
	"newIdentityPassword": func(id, label string) field {
		f := field{ID: id, Name: "password", Label: label, Type: "password", Autocomplete: "new-password"}
		f.Rules = "identity"
		return f
	},
	"password": func(id, label string) field {
		return field{ID: id, Name: "password", Label: label, Type: "password", Autocomplete: "current-password"}
	},
}

// render makes the bytes of a page. A template that does not render is a
// mistake of ours that every test run meets, hence the panic.
func render(p page, assetHash string) []byte {
	t := template.Must(template.New("").Funcs(helpers).ParseFS(templateFiles,
		"templates/layout.html", "templates/parts.html", "templates/"+p.File()+".html"))
	var out bytes.Buffer
	err := t.ExecuteTemplate(&out, "layout", struct {
		page
		Assets string
	}{p, p.up() + "assets/" + assetHash + "/"})
	if err != nil {
		panic("hosted: " + p.Name + ": " + err.Error())
	}
	return out.Bytes()
}

// plain is a page of one sentence, without look: it may stand at any depth,
// where no relative address would find the style sheet.
func plain(title, sentence string) []byte {
	t := template.Must(template.New("").ParseFS(templateFiles, "templates/plain.html"))
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, "plain", struct{ Title, Sentence string }{title, sentence}); err != nil {
		panic("hosted: " + title + ": " + err.Error())
	}
	return out.Bytes()
}
