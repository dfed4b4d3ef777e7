package dump

import (
	"io"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// writer writes JSON in pieces.
type writer struct {
	out   io.Writer
	buf   []byte
	first bool  // nothing of the list was written yet
	err   error // the first one
}

// writeAfter is how much is gathered before it is handed on.
const writeAfter = 32 << 10

func (w *writer) text(s string) { w.buf = append(w.buf, s...) }

// list begins a list.
func (w *writer) list(begin string) {
	w.text(begin)
	w.first = true
}

// next begins an element of the list.
func (w *writer) next() {
	if !w.first {
		w.buf = append(w.buf, ',')
	}
	w.first = false
}

func (w *writer) field(name, value string) {
	buf, err := jsontext.AppendQuote(append(w.buf, name...), value)
	if err != nil {
		w.fail(err)
		return
	}
	w.buf = buf
}

func (w *writer) optional(name string, value *string) {
	if value == nil {
		w.text(name + `null`)
		return
	}
	w.field(name, *value)
}

func (w *writer) flag(name string, is bool) { w.buf = strconv.AppendBool(append(w.buf, name...), is) }

func (w *writer) texts(name string, list []string) {
	w.text(name + `[`)
	for i, s := range list {
		before := ``
		if i > 0 {
			before = `,`
		}
		w.field(before, s)
	}
	w.text(`]`)
}

func (w *writer) value(v any) {
	raw, err := json.Marshal(v, json.Deterministic(true))
	w.fail(err)
	w.buf = append(w.buf, raw...)
}

func (w *writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// end ends an element, and hands on what was gathered once it is enough.
func (w *writer) end(s string) error {
	w.text(s)
	if w.err != nil || len(w.buf) < writeAfter {
		return w.err
	}
	return w.flush()
}

func (w *writer) flush() error {
	if w.err == nil {
		_, w.err = w.out.Write(w.buf)
		w.buf = w.buf[:0]
	}
	return w.err
}
