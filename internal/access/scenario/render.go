package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The answers in words: one line, or several.

func renderVerdict(v Verdict) []string {
	switch {
	case v.Allowed && v.Reason == "" && len(v.Roles) > 0:
		return []string{"allowed by " + strings.Join(v.Roles, ", ")}
	case !v.Allowed && v.Reason != "" && len(v.Roles) == 0:
		return []string{"denied: " + v.Reason}
	}
	return []string{fmt.Sprintf("contradicts itself: %+v", v)}
}

func renderTrace(t Trace) []string {
	switch {
	case len(t.Lineage) > 0:
	case t.Reason == "identity_not_found":
		return []string{"404 identities.not_found"}
	case t.Reason == "node_not_found":
		return []string{"404 nodes.node_not_found"}
	}
	lines := renderVerdict(t.Verdict)
	for i, n := range t.Lineage {
		line := n.Name + state(n.Active)
		if n.Target != (i == len(t.Lineage)-1) {
			line += " marked wrongly as the target"
		}
		lines = append(lines, line)
		for _, a := range n.Assignments {
			line := "- " + a.Role + state(a.RoleActive)
			switch {
			case a.Active && a.GrantsPermission:
				line += " grants"
			case !a.Active && a.GrantsPermission:
				line += " would grant, out of its window"
			case !a.Active:
				line += " does not grant, out of its window"
			default:
				line += " does not grant"
			}
			lines = append(lines, line)
		}
	}
	if len(t.GrantingRoles)+len(t.GrantingNodes) > 0 {
		lines = append(lines, strings.Join(t.GrantingRoles, ", ")+" at "+strings.Join(t.GrantingNodes, ", "))
	}
	return lines
}

func state(active bool) string {
	if active {
		return ""
	}
	return " (inactive)"
}

func renderKeys(keys []string, found bool) []string {
	switch {
	case !found:
		return []string{"404 identities.not_found"}
	case len(keys) == 0:
		return []string{"none"}
	}
	return []string{strings.Join(keys, " ")}
}

func renderGrants(g Grants, found bool) []string {
	if !found {
		return []string{"404 identities.not_found"}
	}
	var lines []string
	for _, key := range slices.Sorted(maps.Keys(g.Nodes)) {
		lines = append(lines, key+" at "+names(g.Nodes[key]))
	}
	return until(orElse(lines, "none"), g.Until)
}

func renderReach(r Reach) []string {
	if r.Reason != "" {
		return []string{"denied: " + r.Reason}
	}
	return []string{"below " + names(r.Roots), names(r.Nodes)}
}

func renderWho(w Who) []string {
	if w.Reason != "" {
		return []string{"denied: " + w.Reason}
	}
	if len(w.Holders) > most {
		return []string{fmt.Sprintf("%d identities", len(w.Holders))}
	}
	var lines []string
	for _, who := range slices.SortedFunc(maps.Keys(w.Holders), natural) {
		lines = append(lines, who+": "+strings.Join(w.Holders[who], ", "))
	}
	return orElse(lines, "nobody")
}

func renderImpact(i Impact) []string {
	var lines []string
	for _, x := range []struct {
		verb string
		what map[Access][]string
	}{{"loses", i.Losses}, {"gains", i.Gains}} {
		for _, a := range slices.SortedFunc(maps.Keys(x.what), byIdentity) {
			lines = append(lines, fmt.Sprintf("%s %s %s at %s", a.Identity, x.verb, a.Permission, names(x.what[a])))
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return natural(strings.Fields(a)[0], strings.Fields(b)[0]) })
	return until(orElse(lines, "nothing"), i.Until)
}

func byIdentity(a, b Access) int {
	return cmp.Or(natural(a.Identity, b.Identity), strings.Compare(a.Permission, b.Permission))
}

func orElse(lines []string, none string) []string {
	if len(lines) == 0 {
		return []string{none}
	}
	return lines
}

func until(lines []string, t time.Time) []string {
	if t.IsZero() {
		return lines
	}
	return append(lines, "until "+t.UTC().Format(time.RFC3339Nano))
}

// most is how many names a list has before only their number is told.
const most = 20

func names(list []string) string {
	if len(list) > most {
		return fmt.Sprintf("%d nodes", len(list))
	}
	return strings.Join(slices.SortedFunc(slices.Values(list), natural), ", ")
}

// natural orders leaf2 before leaf10.
func natural(a, b string) int {
	x, n := split(a)
	y, m := split(b)
	return cmp.Or(strings.Compare(x, y), cmp.Compare(n, m), strings.Compare(a, b))
}

func split(s string) (string, int) {
	head := strings.TrimRight(s, "0123456789")
	n, _ := strconv.Atoi(s[len(head):])
	return head, n
}
