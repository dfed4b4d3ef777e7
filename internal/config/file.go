package config

import (
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/goccy/go-yaml"
)

// File reads a settings file: YAML, one key a setting, named as its environment
// variable without CANOPY_ and in small letters, such as public_url. A key that
// is not a setting is an error. It is kong's loader of --config; what the file says
// gives way to the environment and to flags.
func File(r io.Reader) (kong.Resolver, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var values map[string]any
	if err := yaml.Unmarshal(raw, &values); err != nil {
		return nil, fmt.Errorf("the settings file is not YAML: %s", strings.SplitN(err.Error(), "\n", 2)[0])
	}
	known := Variables()
	for key := range values {
		if !slices.Contains(known, variable(key)) {
			return nil, fmt.Errorf("%s in the settings file is not a setting; see canopy config", key)
		}
	}
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for key, value := range values {
			if !slices.Contains(flag.Envs, variable(key)) || set(flag.Envs) {
				continue
			}
			if list, ok := value.([]any); ok {
				words := make([]string, len(list))
				for i, v := range list {
					words[i] = fmt.Sprint(v)
				}
				return strings.Join(words, ","), nil
			}
			return fmt.Sprint(value), nil
		}
		return nil, nil //nolint:nilnil // kong's way to say that the file is silent
	}), nil
}

func variable(key string) string { return "CANOPY_" + strings.ToUpper(key) }

func set(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, ok := os.LookupEnv(name)
		return ok
	})
}

// Variables are the environment variables of all settings.
func Variables() []string {
	var names []string
	for f := range reflect.TypeFor[Settings]().Fields() {
		names = append(names, f.Tag.Get("env"))
	}
	return names
}

// CheckEnvironment finds a CANOPY_ variable that is not a setting, most often a
// slip of the pen. Those of the tests, CANOPY_TEST_…, are left alone, and so are the
// names that Kubernetes makes for a Service called canopy or canopy-….
func CheckEnvironment() error {
	known := Variables()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "CANOPY_") || strings.HasPrefix(name, "CANOPY_TEST_") ||
			slices.Contains(known, name) || ofOrchestrator.MatchString(name) {
			continue
		}
		return fmt.Errorf("%s is not a setting; see canopy config", name)
	}
	return nil
}

// ofOrchestrator are the names that Kubernetes gives every container for a Service
// (CANOPY_SERVICE_HOST, CANOPY_PORT_8080_TCP_ADDR and the like).
var ofOrchestrator = regexp.MustCompile(
	`^CANOPY_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_[A-Z0-9_]+)$`)
