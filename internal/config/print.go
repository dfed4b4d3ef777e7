package config

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
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

// plain are the parameters of addresses that hold no secret.
var plain = []string{
	"sslmode", "tls", "host", "port", "dbname", "user", "application_name", "connect_timeout", "target_session_attrs",
	"pool_max_conns", "pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "default_query_exec_mode",
}

// redacted is a URL with every secret masked: the password, and what stands in the query
// under any name that is not plain. What is no URL of a server is masked whole, since
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
		if !slices.Contains(plain, name) {
			query.Set(name, "xxxxx")
		}
	}
	if len(query) > 0 {
		u.RawQuery = query.Encode()
	}
	return u.Redacted()
}
