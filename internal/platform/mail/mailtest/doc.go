// Package mailtest is a real SMTP server in the process of a test, on a loopback
// port of its own. It keeps what it is given and can be told to refuse, to be
// slow and to be down.
//
//	server := mailtest.New(t)
//	sender := mail.NewSender(server.Config())
//	…
//	token := mailtest.Token(t, server.Wait(t, 1)[0])
//
// It delivers nothing anywhere and is imported by tests alone.
package mailtest
