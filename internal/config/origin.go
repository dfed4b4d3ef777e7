package config

import (
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// origin reads scheme://host[:port] and gives the one spelling that browsers send:
// small letters, IDN as ASCII, no default port, no path.
func origin(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil {
		return nil, errors.New("it can't be read")
	}
	u.Scheme = strings.ToLower(u.Scheme)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the scheme must be http or https")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, errors.New("it must have no user, path or query")
	}
	host, err := hostName(u.Hostname())
	if err != nil {
		return nil, err
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return nil, errors.New("the port must be 1 to 65535")
		}
		if standard := map[string]uint64{"http": 80, "https": 443}[u.Scheme]; n != standard {
			host += ":" + strconv.FormatUint(n, 10)
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: host}, nil
}

// hostName is a host as requests name it: an address, or a name in small letters
// and ASCII without a final dot.
func hostName(s string) (string, error) {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if a, err := netip.ParseAddr(s); err == nil {
		return a.WithZone("").String(), nil
	}
	name, err := idna.Lookup.ToASCII(s)
	if err != nil || name == "" || strings.ContainsAny(name, ":/ ") || strings.Contains("."+name, "..") {
		return "", errors.New("the host is not a name or an address")
	}
	return strings.ToLower(name), nil
}

// listens reports whether a server can listen on an address, as far as its text says: a
// host or none, and a port, of which 0 means any.
func listens(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil || strings.ContainsAny(host, "/ ") {
		return false
	}
	_, err = strconv.ParseUint(port, 10, 16)
	return err == nil
}

// proxy reads a network, or one address.
func proxy(s string) (netip.Prefix, error) {
	s = strings.TrimSpace(s)
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return prefix, err
	}
	if a := prefix.Addr(); a.Is4In6() && prefix.Bits() >= 96 {
		return netip.PrefixFrom(a.Unmap(), prefix.Bits()-96), nil
	}
	return prefix.Masked(), nil
}
