package wire

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// clientIP is the TCP peer, or what a trusted proxy says: the last address in
// X-Forwarded-For that is not itself a trusted proxy. Zones and ports in it are
// understood; a malformed one counts as absent.
func (rt *Router) clientIP(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	trusted := func(a netip.Addr) bool {
		return slices.ContainsFunc(rt.Proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	ip := plain(peer.Addr())
	if !trusted(ip) {
		return ip.String()
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for _, hop := range slices.Backward(hops) {
		a, ok := parseHop(strings.TrimSpace(hop))
		if !ok {
			return plain(peer.Addr()).String()
		}
		if ip = a; !trusted(ip) {
			break
		}
	}
	return ip.String()
}

// parseHop reads an address as proxies write it: bare, in brackets, with a port,
// with a zone.
func parseHop(s string) (netip.Addr, bool) {
	if hop, err := netip.ParseAddrPort(s); err == nil {
		return plain(hop.Addr()), true
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return plain(a), err == nil
}

// plain is an address without zone, and IPv4 as such.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

// networkOf is what limits and the hash pool see of an address: an IPv4 address,
// or the /64 of an IPv6 address, all of which one caller may have.
func networkOf(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || !a.Is6() {
		return ip
	}
	prefix, err := a.Prefix(64)
	if err != nil {
		return ip
	}
	return prefix.String()
}

const misdirected = "This server does not answer for that host name (CANOPY_ALLOWED_HOSTS)"

// hostAllowed reports whether a request came for us: by the public URL's name, by
// localhost, by a name of CANOPY_ALLOWED_HOSTS, or by an address, which a browser
// sends only for a URL that holds it. So a foreign name that resolves to us (DNS
// rebinding) gets nothing. Probes, and who looks for what a standard lays down, ask by
// whatever name they like.
func (rt *Router) hostAllowed(r *http.Request) bool {
	if anyHost(r.URL.Path) {
		return true
	}
	name := hostName(r.Host)
	if _, err := netip.ParseAddr(name); err == nil || name == "localhost" {
		return true
	}
	_, public, _ := strings.Cut(rt.PublicOrigin, "://")
	return name == hostName(public) || slices.Contains(rt.Hosts, name)
}

func anyHost(path string) bool {
	return path == "/healthz" || path == "/readyz" || path == "/.well-known/authzen-configuration"
}

// hostName is the name in a Host header: without port, brackets and final dot, in
// small letters.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}
