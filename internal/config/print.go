package config

import (
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// Lines are the settings as NAME=value, secrets masked: of a URL the password,
// else the whole value. The name for EHLO is the one in effect.
func (s Settings) Lines() []string {
	inEffect := s
	if name, err := ehlo(s.SMTPEHLO); err == nil {
		inEffect.SMTPEHLO = name
	}
	v := reflect.ValueOf(inEffect)
	lines := make([]string, 0, v.NumField())
	for i := range v.NumField() {
		f := v.Type().Field(i)
		text := fmt.Sprint(v.Field(i).Interface())
		if words, ok := reflect.TypeAssert[[]string](v.Field(i)); ok {
			text = strings.Join(words, ",")
		}
		switch f.Tag.Get("secret") {
		case "all":
			if text != "" {
				text = mask
			}
		case "url":
			text = redacted(text)
		}
		lines = append(lines, f.Tag.Get("env")+"="+text)
	}
	return lines
}

// mask stands for what is not shown.
const mask = "••••"

// redacted is a URL with every secret masked: the password, and whatever in the
// query is named like one. What is no URL of a server is masked whole, since
// nobody knows where in it a secret stands; a path of SQLite holds none.
func redacted(text string) string {
	if text == "" || strings.HasPrefix(text, "sqlite:") && !strings.Contains(text, "?") {
		return text
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" || u.Opaque != "" || u.Fragment != "" {
		return mask
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return mask
	}
	for name := range query {
		small := strings.ToLower(name)
		if strings.Contains(small, "pass") || strings.Contains(small, "secret") || strings.Contains(small, "key") {
			query.Set(name, "xxxxx")
		}
	}
	if len(query) > 0 {
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}
