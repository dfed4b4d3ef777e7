package decide_test

import (
	"testing"

	"pgregory.net/rapid"
)

// The properties as fuzz targets: rapid draws from the bytes of the fuzzer.

func FuzzBuild(f *testing.F)  { f.Fuzz(rapid.MakeFuzz(leavesOutContradictions)) }
func FuzzEdit(f *testing.F)   { f.Fuzz(rapid.MakeFuzz(editedEqualsBuilt)) }
func FuzzImpact(f *testing.F) { f.Fuzz(rapid.MakeFuzz(impactIsTheDifference)) }
