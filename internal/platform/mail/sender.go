package mail

import (
	"bytes"
	"context"
	"errors"
	netmail "net/mail"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
)

// Sender hands mails to the mail server, one connection for each. It is safe
// for concurrent use.
type Sender struct {
	// Now gives the Date header; nil means time.Now. It is set before first use.
	Now func() time.Time

	config SMTPConfig
	wait   patience
}

// NewSender makes a Sender. It connects to nothing yet: whether the server can
// be reached is what Check tells.
func NewSender(c SMTPConfig) *Sender {
	if c.TLS == "" {
		c.TLS = StartTLS
	}
	return &Sender{config: c, wait: rfc5321()}
}

// Send hands m over and returns nil once the server has taken charge of it. It
// tries once. A slow server gets the minutes of RFC 5321, section 4.5.3.2, in all
// never more than Longest; the end of ctx ends every wait at once. IsPermanent tells
// whether another attempt makes sense. The error names the step and the server's
// reply code, and repeats nothing of the mail, its recipient or the server's
// words; it wraps context errors.
//
// A connection that breaks after the mail was transferred and before the reply
// is an error although the server may have it: the next attempt carries the same
// Message-ID.
func (s *Sender) Send(ctx context.Context, m Message) error {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	e, err := pack(m, now())
	if err != nil {
		return err
	}
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer c.close()
	return c.transfer(e)
}

// Check connects, does what TLS and authentication ask for, and says goodbye.
// No mail is sent. The error is like that of Send.
func (s *Sender) Check(ctx context.Context) error {
	c, err := s.open(ctx)
	if err != nil {
		return err
	}
	c.close()
	return nil
}

// envelope is a Message as it travels; the addresses stand in angle brackets.
type envelope struct {
	from, to string
	utf8     bool // the sender's local part is not ASCII, and neither is the header
	content  []byte
}

// pack checks m and writes it out. Nothing reaches a header that is not one
// line of the kind that belongs there.
func pack(m Message, date time.Time) (envelope, error) {
	from, err := parseSender(m.From)
	to, bare := bareAddress(m.To)
	left, right, _ := strings.Cut(m.MessageID, "@")
	switch {
	case err != nil || oneLine(m.From) != m.From:
		return envelope{}, malformed("the sender is not an address")
	case !bare:
		return envelope{}, malformed("the recipient is not a bare ASCII address")
	case !dotAtom.MatchString(left) || right == "" || !headerSafe(right) || strings.ContainsAny(right, "<>@ "):
		return envelope{}, malformed("the Message-ID is not of the form left@right")
	case m.Subject == "" || oneLine(m.Subject) != m.Subject:
		return envelope{}, malformed("the subject is empty or not one plain line")
	case m.Text == "" || m.HTML == "":
		return envelope{}, malformed("a body is missing")
	}
	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithCharset(gomail.CharsetUTF8),
		gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(from)
	msg.ToMailAddress(&netmail.Address{Address: to})
	msg.Subject(m.Subject)
	msg.SetMessageIDWithValue(m.MessageID)
	msg.SetDateWithValue(date.UTC())
	msg.SetGenHeader("Auto-Submitted", "auto-generated")
	msg.SetBodyString(gomail.TypeTextPlain, m.Text)
	msg.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	var content bytes.Buffer
	if _, err := msg.WriteTo(&content); err != nil {
		return envelope{}, malformed("can't be written out")
	}
	return envelope{
		from: (&netmail.Address{Address: from.Address}).String(), to: "<" + to + ">",
		utf8: !headerSafe(from.Address), content: content.Bytes(),
	}, nil
}

func malformed(text string) error {
	return &failure{step: stepMessage, text: text, cause: errMalformed, final: true}
}

var errMalformed = errors.New("mail: malformed message")
