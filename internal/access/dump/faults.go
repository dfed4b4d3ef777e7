package dump

import (
	"fmt"

	"canopy.dev/canopy/internal/foundation/fault"
)

// The faults of dumps.
var (
	ErrUnsupported = fault.New(fault.Invalid, "environments.import_unsupported",
		"The dump has another format than this version reads")
	ErrInvalid = fault.New(fault.Invalid, "environments.import_invalid",
		"The dump contradicts itself, or does not fit the Environment")
	ErrAlreadyFlat = fault.New(fault.Invalid, "environments.already_flat", "The Environment is flat already")
)

// maxDetails is how many contradictions a refusal tells.
const maxDetails = 100

// findings are what is wrong with a dump that has the right form.
type findings struct{ details []string }

func (f *findings) add(format string, args ...any) {
	if len(f.details) < maxDetails {
		f.details = append(f.details, fmt.Sprintf(format, args...))
	}
}

// full reports whether looking on would tell nothing more.
func (f *findings) full() bool { return len(f.details) >= maxDetails }

// err is environments.import_invalid with what was found, if anything.
func (f *findings) err() error {
	if len(f.details) == 0 {
		return nil
	}
	return ErrInvalid.WithDetails(f.details...)
}
