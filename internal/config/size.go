package config

import (
	"cmp"
	"errors"
	"math"
	"strconv"
	"strings"

	"canopy.dev/canopy/internal/access/decisionlog"
)

const (
	defaultImportLimit = "64MiB"
	mostImportLimit    = 1 << 30
	leastDecisions     = 1 << 20
)

// checkSizes reads how large things may be.
func (c *Checked) checkSizes() error {
	n, ok := size(cmp.Or(c.ImportLimit, defaultImportLimit))
	if !ok || n < 1<<10 || n > mostImportLimit {
		return errors.New("CANOPY_IMPORT_LIMIT must be a size such as 64MiB, 1KiB to 1GiB")
	}
	c.ImportBytes = n
	if c.DecisionMemory == "" {
		c.DecisionBytes = int(min(usable()/4, math.MaxInt))
		return nil
	}
	n, ok = size(c.DecisionMemory)
	if !ok || n < leastDecisions || n > math.MaxInt {
		return errors.New("CANOPY_DECISION_MEMORY must be a size such as 512MiB, 1MiB or more")
	}
	c.DecisionBytes = int(n)
	return nil
}

// size reads a number of bytes: digits, with KiB, MiB or GiB behind them or nothing.
func size(s string) (bytes int64, ok bool) {
	unit := int64(1)
	for name, of := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30} {
		if digits, has := strings.CutSuffix(s, name); has {
			s, unit = strings.TrimSpace(digits), of
		}
	}
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil || int64(n) > math.MaxInt64/unit {
		return 0, false
	}
	return int64(n) * unit, true
}

// checkDecisions reads which decisions are written.
func (c *Checked) checkDecisions() error {
	var ok bool
	if c.Decided, ok = decisionlog.ParseMode(c.DecisionLog); !ok {
		return errors.New("CANOPY_DECISION_LOG must be off, all, denied, or a share from 0.001 to 1")
	}
	return nil
}
