// Package signup owns sign-ups that wait for their mailed link: the table
// registration, and with it every reserved slug. It turns a used link into a
// user, an Account and an Application.
//
// A link proves the mailbox and no more. While several sign-ups are live for an address,
// the password says which of them is established, so that nobody who signs up somebody
// else's address ends up with a password that works.
//
// For an address that is taken a decoy is kept: same row, same life, same
// answers, same work, but no link leads to it. So nothing tells a stranger
// whether an address is taken.
//
//	Register ──► pending ──verify──► used
//	                │ └──72 h──► ended ──► swept
//	                └──another of the address established──► deleted
//
// A link lives for 24 hours and can be had again while its sign-up is live, for 72 hours.
// A sign-up that is live can be established through the link of another.
//
// It refuses to open sessions: whoever has signed up signs in.
package signup
