package outbound

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"code.dny.dev/ssrf"
)

// errRefused is for an address that nothing may be sent to.
var errRefused = errors.New("outbound: the address is refused")

// guard judges addresses, of those who speak TLS and of those who don't.
type guard struct{ secured, opened judge }

// judge says whether an address may be reached.
type judge func(netip.Addr) error

func newGuard(allowed []netip.Prefix) guard {
	var four, six []netip.Prefix
	for _, p := range allowed {
		if p.Addr().Is4() {
			four = append(four, p)
		} else {
			six = append(six, p)
		}
	}
	public := ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(four...), ssrf.WithAllowedV6Prefixes(six...))
	return guard{
		secured: func(a netip.Addr) error {
			if a.Zone() != "" {
				return errRefused
			}
			if err := public.SafeAddr(a); err != nil {
				return fmt.Errorf("%w: %w", errRefused, err)
			}
			return nil
		},
		opened: func(a netip.Addr) error {
			if !slices.ContainsFunc(allowed, func(p netip.Prefix) bool { return p.Contains(a) }) {
				return errRefused
			}
			return nil
		},
	}
}

// control judges the address that is about to be connected to.
func (j judge) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return errRefused
	}
	return j(to.Addr().Unmap())
}

// Malformed reports whether nothing can be posted to a URL at all: it is not one of http or
// https with a host, or has a user or a fragment.
func Malformed(u *url.URL) bool {
	return u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.Opaque != "" || u.User != nil ||
		u.Fragment != "" || strings.HasSuffix(u.String(), "#")
}

// Check reports whether a URL may be called, as far as can be told before: its host is no
// address that is refused, and no name of one. A name that leads nowhere today is not refused.
func (c *Client) Check(ctx context.Context, to string) bool {
	u, err := url.Parse(to)
	if err != nil || Malformed(u) || strings.Contains(to, "#") {
		return false
	}
	judge := c.guard.secured
	if u.Scheme == "http" {
		judge = c.guard.opened
	}
	host := u.Hostname()
	if a, err := netip.ParseAddr(host); err == nil {
		return judge(a.Unmap()) == nil
	}
	if isNumber(host) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookWithin)
	defer cancel()
	found, err := c.lookup(ctx, host)
	if err != nil || len(found) == 0 {
		return u.Scheme == "https" // whatever it comes to lead to is judged when it is dialled
	}
	return !slices.ContainsFunc(found, func(a netip.Addr) bool { return judge(a.Unmap()) != nil })
}

// isNumber reports whether a host is an IPv4 address in some old form, such as 2130706433,
// 0x7f.1 or 0177.0.0.1: its last label is a number (URL Standard, "ends in a number").
func isNumber(host string) bool {
	host = strings.TrimSuffix(host, ".")
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" {
		return false
	}
	if strings.Trim(last, "0123456789") == "" {
		return true
	}
	hex, is := strings.CutPrefix(strings.ToLower(last), "0x")
	if !is {
		return false
	}
	_, err := strconv.ParseUint(hex, 16, 64)
	return err == nil || hex == ""
}
