// Package mail turns a Data into a mail and hands it to a mail server. It owns
// the words and the look of every mail Canopy sends, the meaning of
// CANOPY_SMTP_URL, and the SMTP conversation.
//
//	Data ──Renderer.Render──► Message ──Sender.Send──► mail server
//	                                        │
//	                                        ├─ nil            handed over
//	                                        ├─ IsPermanent    refused for good
//	                                        └─ other errors   try again later
//
// It refuses
//
//   - to queue, retry or count: one call is one attempt, the outbox does the rest;
//   - to read the environment or a database, and to know who may get a mail;
//   - user-supplied text in a header, other than the recipient's checked address;
//   - links that are not built from the public URL, and remote content;
//   - to go on without TLS where TLS was asked for, and to send credentials in
//     clear to another machine;
//   - to repeat a mail's text, its recipient or a server's words in an error.
//
// Its neighbours below are the standard library, golang.org/x and go-mail.
// Package mailtest holds a real SMTP server for tests.
package mail
