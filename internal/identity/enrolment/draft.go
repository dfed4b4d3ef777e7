package enrolment

import (
	"canopy.dev/canopy/internal/access/enduser"
	"canopy.dev/canopy/internal/foundation/text"
)

// Draft is an identity to be made in an Environment.
type Draft struct {
	enduser.Draft
}

// Rules implements text.Ruled.
func (d *Draft) Rules(f *text.Fields) { d.Draft.Rules(f) }
