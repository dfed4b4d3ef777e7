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
				text = "••••"
			}
		case "url":
			if u, err := url.Parse(text); err == nil {
				text = redacted(u)
			} else if text != "" {
				text = "••••"
			}
		}
		lines = append(lines, f.Tag.Get("env")+"="+text)
	}
	return lines
}

// redacted is a URL with every secret masked: the password, and whatever in the
// query is named like one.
func redacted(u *url.URL) string {
	query := u.Query()
	for name := range query {
		if strings.Contains(name, "password") || strings.Contains(name, "secret") || strings.Contains(name, "key") {
			query.Set(name, "xxxxx")
		}
	}
	masked := *u
	if len(query) > 0 {
		masked.RawQuery = query.Encode()
	}
	return masked.Redacted()
}
