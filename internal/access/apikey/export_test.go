package apikey

import (
	"strconv"

	"canopy.dev/canopy/internal/foundation/permission"
)

// Kept is how many keys are in memory.
func (s *Service) Kept() int { return s.known.Len() }

// FillDenials has as many denials in memory as there may be, and ToldDenials counts them.
func (s *Service) FillDenials() {
	for i := range mostDenials {
		s.denials.first(denial{permission: permission.Key(strconv.Itoa(i))}, s.denials.minute)
	}
}

func (s *Service) ToldDenials() int { return len(s.denials.told) }
