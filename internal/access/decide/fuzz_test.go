package decide_test

import (
	"testing"

	"pgregory.net/rapid"
)

// The properties as fuzz targets: the fuzzer's bytes are the draws.

func FuzzBuild(f *testing.F)  { f.Fuzz(rapid.MakeFuzz(leavesContradictionsOut)) }
func FuzzEdit(f *testing.F)   { f.Fuzz(rapid.MakeFuzz(editedEqualsAfresh)) }
func FuzzImpact(f *testing.F) { f.Fuzz(rapid.MakeFuzz(impactIsTheDifference)) }
