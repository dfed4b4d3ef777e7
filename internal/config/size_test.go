package config

import "testing"

func TestSizes(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]int64{
		"": 64 << 20, "64MiB": 64 << 20, "1KiB": 1024, "1 GiB": 1 << 30, "2048": 2048, "1073741824": 1 << 30,
		"1073741825": -1, "2GiB": -1, "1023": -1, "0": -1, "-1": -1, "64MB": -1, "64": -1, "MiB": -1, "x": -1,
		"9223372036854775807GiB": -1, "1.5MiB": -1, "+5MiB": -1,
	} {
		c := &Checked{}
		c.ImportLimit = given
		err := c.checkSizes()
		if want < 0 && err == nil || want >= 0 && (err != nil || c.ImportBytes != want) {
			t.Errorf("%q: %d, %v", given, c.ImportBytes, err)
		}
	}
}
