package ratelimit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Name is a limit's name, as operators write it in CANOPY_RATE_LIMITS.
type Name string

// The limits.
const (
	SignIn        Name = "sign_in"        // failed sign-ins per client IP and e-mail
	SignInIP      Name = "sign_in_ip"     // failed sign-ins per client IP
	Lock          Name = "lock"           // wrong passwords in a row for one e-mail, from anywhere
	SignUp        Name = "sign_up"        // sign-ups per client IP
	Recover       Name = "recover"        // forgotten passwords and resent verifications per client IP and e-mail
	RecoverIP     Name = "recover_ip"     // the same per client IP
	Session       Name = "session"        // renewals, switches and sign-outs per session
	Principal     Name = "principal"      // writes per principal
	Link          Name = "link"           // calls that take a mailed token or a signed link, per client IP
	MailSignUp    Name = "mail_sign_up"   // mails of sign-ups to one address, whole install; beyond it none goes
	MailRecover   Name = "mail_recover"   // mails of forgotten passwords to one address, whole install; likewise
	MailRecipient Name = "mail_recipient" // all other mails of an Account to one address; codes and notices excepted
	MailCode      Name = "mail_code"      // mailed codes to one address
	EmailCode     Name = "email_code"     // sign-in codes asked for per client IP and e-mail
	InviteMail    Name = "invite_mail"    // invite mails per Account
	APIKeyCreate  Name = "api_key_create" // API keys made per Application
	Evaluate      Name = "evaluate"       // decisions per Environment
	EvaluateBulk  Name = "evaluate_bulk"  // bulk decisions per Environment
	Explain       Name = "explain"        // explanations per Environment
	AccessPreview Name = "access_preview" // access previews per user
	DomainVerify  Name = "domain_verify"  // domain checks per organization
	SSOTest       Name = "sso_test"       // test sign-ins per organization
	SSOEndpoint   Name = "sso_endpoint"   // SSO calls per client IP
	SCIM          Name = "scim"           // calls per directory
	OAuthFlow     Name = "oauth_flow"     // authorization requests per client IP
	OAuthClient   Name = "oauth_client"   // failed client authentications per client IP and client

	// KnownBrowser counts wrong passwords in a row in a browser that their person is known
	// in. It is no operator's to set: the run that fills it ends with the browser forgotten,
	// not with anybody refused.
	KnownBrowser Name = "known_browser"
	// OrganizationInvite counts invite mails by administrators of one organization.
	OrganizationInvite Name = "organization_invite"
)

// fixed are the rules that no setting changes.
var fixed = Rules{KnownBrowser: {10, 90 * 24 * time.Hour}}

// Rule allows Count things in a Period. The zero Rule is "off": no limit.
type Rule struct {
	Count  int
	Period time.Duration
}

// Off reports whether the rule limits nothing.
func (r Rule) Off() bool { return r.Count <= 0 || r.Period <= 0 }

// String is the rule as it is written in the setting: "20/1h0m0s" or "off".
func (r Rule) String() string {
	if r.Off() {
		return "off"
	}
	return strconv.Itoa(r.Count) + "/" + r.Period.String()
}

// Rules are the limits in force; a name that is missing is off.
type Rules map[Name]Rule

// Defaults are the rules of an install that sets none. The map is the caller's.
func Defaults() Rules {
	return Rules{
		SignIn:        {5, 15 * time.Minute},
		SignInIP:      {50, 15 * time.Minute},
		Lock:          {10, 15 * time.Minute},
		SignUp:        {10, time.Hour},
		Recover:       {5, 15 * time.Minute},
		RecoverIP:     {30, 15 * time.Minute},
		Session:       {60, time.Minute},
		Principal:     {},
		Link:          {60, time.Minute},
		MailSignUp:    {10, 24 * time.Hour},
		MailRecover:   {10, 24 * time.Hour},
		MailRecipient: {10, 24 * time.Hour},
		MailCode:      {30, 24 * time.Hour},
		EmailCode:     {5, 15 * time.Minute},
		InviteMail:    {500, 24 * time.Hour},
		APIKeyCreate:  {20, time.Minute},
		Evaluate:      {},
		EvaluateBulk:  {},
		Explain:       {},
		AccessPreview: {120, time.Minute},
		DomainVerify:  {10, time.Minute},
		SSOTest:       {30, time.Hour},
		SSOEndpoint:   {120, time.Minute},
		SCIM:          {1500, time.Minute},
		OAuthFlow:     {120, time.Minute},
		OAuthClient:   {20, 15 * time.Minute},

		OrganizationInvite: {100, 24 * time.Hour},
	}
}

const (
	maxCount  = 1_000_000_000
	maxPeriod = 8760 * time.Hour
)

// Parse reads the setting CANOPY_RATE_LIMITS: "name=count/period" and "name=off",
// separated by commas, over the defaults; "off" alone switches every limit off;
// "" changes nothing. A period is a Go duration of 1s to 8760h. The error names
// the first bad part and says what is allowed there.
func Parse(setting string) (Rules, error) {
	rules := Defaults()
	switch strings.TrimSpace(setting) {
	case "":
		return rules, nil
	case "off":
		for name := range rules {
			rules[name] = Rule{}
		}
		return rules, nil
	}
	seen := map[Name]bool{}
	for part := range strings.SplitSeq(setting, ",") {
		part = strings.TrimSpace(part)
		text, value, ok := strings.Cut(part, "=")
		name := Name(strings.TrimSpace(text))
		if !ok {
			return nil, fmt.Errorf("rate limit %q: write name=count/period (sign_up=20/1h) or name=off, "+
				"separated by commas; off switches all off and stands alone", part)
		}
		if _, known := rules[name]; !known {
			return nil, fmt.Errorf("rate limit %q: no limit is named %q; the names are %s", part, name, names(rules))
		}
		if seen[name] {
			return nil, fmt.Errorf("rate limit %q: %s is set twice", part, name)
		}
		seen[name] = true
		rule, err := parseRule(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("rate limit %q: %w", part, err)
		}
		rules[name] = rule
	}
	return rules, nil
}

func parseRule(s string) (Rule, error) {
	if s == "off" {
		return Rule{}, nil
	}
	count, period, ok := strings.Cut(s, "/")
	if !ok {
		return Rule{}, errors.New("write count/period, such as 20/1h, or off")
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > maxCount {
		return Rule{}, fmt.Errorf("the count %q must be a whole number from 1 to %d", count, maxCount)
	}
	d, err := time.ParseDuration(period)
	if err != nil || d < time.Second || d > maxPeriod {
		return Rule{}, fmt.Errorf("the period %q must be a duration from 1s to 8760h, such as 1m, 15m or 24h", period)
	}
	return Rule{n, d}, nil
}

func names(r Rules) string {
	var list []string
	for _, n := range slices.Sorted(maps.Keys(r)) {
		list = append(list, string(n))
	}
	return strings.Join(list, ", ")
}
