// Package outbound is the one door to addresses that others choose: it posts to the URLs of
// webhooks, and to nothing that only this machine or its network can reach.
//
//	URL ──Check──► its host, and the addresses that it has now
//	    ──Post──► name ──Lookup──► address ──refused? no──► connection ──► answer
//
// What a name leads to can change between the two, so the address of each connection is judged
// when it is dialled. Redirects are not followed, the proxies of the environment are not used,
// certificates are verified, and a call has bounds in time and size.
//
// It refuses to know what is sent.
package outbound
