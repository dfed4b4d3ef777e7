package mailtest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"strings"
)

// Received is a mail the server took.
type Received struct {
	// From and To are the addresses of the envelope.
	From, To string
	// EHLO is what the client called itself.
	EHLO string
	// UTF8 says that the client asked for SMTPUTF8, and Size is what it announced.
	UTF8 bool
	Size int64
	// Header is that of the mail, as it came: values may be encoded words.
	Header mail.Header
	// Text and HTML are the two parts, decoded, with lines ended by "\n".
	Text, HTML string
	// Raw is the whole mail as it came.
	Raw []byte
}

// Subject is the subject, decoded.
func (r Received) Subject() string {
	s, err := new(mime.WordDecoder).DecodeHeader(r.Header.Get("Subject"))
	if err != nil {
		return r.Header.Get("Subject")
	}
	return s
}

// read takes a mail apart. It wants multipart/alternative with a text and an
// HTML part: what else arrives is a defect of the sender.
func read(from, to string, raw []byte) (Received, error) {
	r := Received{From: from, To: to, Raw: raw}
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return r, err
	}
	r.Header = m.Header
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return r, err
	}
	if kind != "multipart/alternative" {
		return r, fmt.Errorf("content type %s", kind)
	}
	parts := multipart.NewReader(m.Body, params["boundary"])
	for {
		p, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return r, nil
		}
		if err != nil {
			return r, err
		}
		kind, params, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil {
			return r, err
		}
		if !strings.EqualFold(params["charset"], "utf-8") {
			return r, fmt.Errorf("charset %q", params["charset"])
		}
		body, err := decode(p.Header, p)
		if err != nil {
			return r, err
		}
		switch kind {
		case "text/plain":
			r.Text = body
		case "text/html":
			r.HTML = body
		default:
			return r, fmt.Errorf("part of type %s", kind)
		}
	}
}

func decode(h textproto.MIMEHeader, r io.Reader) (string, error) {
	switch encoding := strings.ToLower(h.Get("Content-Transfer-Encoding")); encoding {
	case "quoted-printable":
		r = quotedprintable.NewReader(r)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, r)
	case "", "7bit", "8bit":
	default:
		return "", fmt.Errorf("transfer encoding %s", encoding)
	}
	b, err := io.ReadAll(r)
	return strings.ReplaceAll(string(b), "\r\n", "\n"), err
}
