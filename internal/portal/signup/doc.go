// Package signup owns sign-ups that wait for their mailed link: the table
// registration, and with it every reserved slug. It turns a used link into a
// user, an Account and an Application.
//
// For an address that is taken a decoy is kept: same row, same life, same
// answers, same work, but no link leads to it. So nothing tells a stranger
// whether an address is taken.
//
//	Register ──► pending ──verify──► used
//	                │ └──24 h, resend: again, ≤ 72 h──► expired ──► swept
//	                └──same address verified elsewhere──► deleted
//
// It refuses to open sessions: whoever has signed up signs in.
package signup
