package server

import (
	"context"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"sync"

	"canopy.dev/canopy/internal/platform/mail"
)

// DevMail catches the mails of canopy dev and shows them at /dev/mail, newest
// first. It keeps the last hundred, in memory. It is safe for concurrent use.
type DevMail struct {
	mu   sync.Mutex
	kept []mail.Message
}

// Send implements mailqueue.Sender.
func (d *DevMail) Send(_ context.Context, m mail.Message) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept = append(d.kept, m)
	if len(d.kept) > 100 {
		d.kept = slices.Delete(d.kept, 0, len(d.kept)-100)
	}
	return nil
}

// Messages are the mails caught, oldest first.
func (d *DevMail) Messages() []mail.Message {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.kept)
}

var links = regexp.MustCompile(`https?://\S+`)

var devMailPage = template.Must(template.New("").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="refresh" content="5"><title>Mail · Canopy dev</title></head>
<body><h1>Caught mail</h1>
{{range .}}<article><h2>{{.Subject}}</h2><p>To {{.To}}</p><pre>{{.Text}}</pre>
{{- range .Links}}<p><a href="{{.}}">Open the link</a></p>{{end}}</article><hr>
{{else}}<p>No mail yet.</p>{{end}}</body></html>
`))

// ServeHTTP shows the mails.
func (d *DevMail) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	type shown struct {
		mail.Message
		Links []string
	}
	list := []shown{}
	for _, m := range slices.Backward(d.Messages()) {
		list = append(list, shown{m, links.FindAllString(m.Text, -1)})
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	_ = devMailPage.Execute(w, list)
}
