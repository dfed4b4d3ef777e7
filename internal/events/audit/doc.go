// Package audit reads the log of what has happened: by filter, newest first; row by row, with
// what belongs to it; and live. Whoever asks leaves a row, too. It owns audit_view, where people
// keep what they ask often.
//
// A reader has a reach, an Account or one of its Environments, and a surface, the part of the
// log that is about end users or the one about administrators. What lies beyond either, and
// what is hidden from customers, does not exist for it.
//
// It refuses to know what an event means, and who may read.
package audit
