package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"regexp"
)

// step is a part of the SMTP conversation, as errors name it.
type step string

const (
	stepMessage   step = "message"
	stepConfig    step = "configuration"
	stepConnect   step = "connect"
	stepTLS       step = "tls"
	stepGreeting  step = "greeting"
	stepAuth      step = "authentication"
	stepSender    step = "sender"
	stepRecipient step = "recipient"
	stepContent   step = "content"
)

// failure is an attempt that did not succeed. Its text is made of the step, the
// server's reply codes and errors of the network; never of a server's words,
// which may quote the recipient or the mail.
type failure struct {
	step  step
	code  int    // of the server's reply; 0 where there was none
	text  string // what happened, safe to log
	cause error  // kept only where its own text is safe
	final bool   // another attempt can't end otherwise
}

func (f *failure) Error() string { return "mail: " + string(f.step) + ": " + f.text }
func (f *failure) Unwrap() error { return f.cause }

// IsPermanent reports whether err, from Sender.Send, means that no later attempt
// can succeed: the server refused the recipient or the content with a 5xx reply,
// or the Message itself is malformed. It is false for everything that may pass
// or that the operator can mend: 4xx replies, refused connections, timeouts,
// cancellation, TLS failures, refused credentials or senders, and nil.
func IsPermanent(err error) bool {
	var f *failure
	return errors.As(err, &f) && f.final
}

// enhanced is the status code that starts a reply's text (RFC 3463).
var enhanced = regexp.MustCompile(`^[245]\.\d{1,3}\.\d{1,3}\b`)

// failed gives the error of a step without what must not be repeated.
func failed(ctx context.Context, at step, err error) *failure {
	var (
		known *failure
		reply *textproto.Error
		netOp *net.OpError
		netTO net.Error
	)
	switch {
	case errors.As(err, &known):
		return known
	case ctx.Err() != nil:
		return &failure{step: at, text: ctx.Err().Error(), cause: ctx.Err()}
	case errors.As(err, &reply):
		f := &failure{step: at, code: reply.Code, text: fmt.Sprintf("the server answered %d", reply.Code)}
		if status := enhanced.FindString(reply.Msg); status != "" {
			f.text += " " + status
		}
		f.final = (at == stepRecipient || at == stepContent) && refusal(reply.Code)
		return f
	case errors.As(err, &netTO) && netTO.Timeout():
		return &failure{step: at, text: "timed out", cause: context.DeadlineExceeded}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &failure{step: at, text: "the server closed the connection", cause: io.ErrUnexpectedEOF}
	case errors.As(err, &netOp), at == stepConnect, at == stepTLS:
		// Addresses, system errors and certificate errors: what an operator needs.
		return &failure{step: at, text: oneLine(err.Error()), cause: err}
	}
	return &failure{step: at, text: "unexpected answer of the server"}
}

// refusal reports whether a reply to RCPT or DATA is about the recipient or the
// content. Codes that ask for authentication or encryption (RFC 4954, section 6)
// or deny the command itself are about the connection, which the operator can mend.
func refusal(code int) bool {
	switch code {
	case 500, 502, 503, 504, 523, 530, 534, 535, 538:
		return false
	}
	return code >= 500 && code <= 599
}
