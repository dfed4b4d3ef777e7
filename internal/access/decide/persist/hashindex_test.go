package persist

import (
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

// hashOf is the hash of the key that a number stands for in these tests.
func hashOf(number uint32) uint64 {
	x := uint64(number) + 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func TestHashIndexFindsWhatIsInIt(t *testing.T) {
	t.Parallel()
	// Hashes of a few bits, so that buckets overflow and tags collide.
	for _, mask := range []uint64{0, 0xff00000000000003, ^uint64(0)} {
		t.Run(strconv.FormatUint(mask, 16), func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) { indexAgainstModel(t, mask) })
		})
	}
}

func indexAgainstModel(t *rapid.T, mask uint64) {
	const numbers = 500
	hash := func(number uint32) uint64 { return hashOf(number) & mask }
	var x HashIndex
	if n := rapid.IntRange(0, 100).Draw(t, "reserved"); n > 0 {
		owner := &Owner{}
		x.Reserve(owner, n)
		owner.Release()
	}
	var model [numbers]bool
	type version struct {
		index HashIndex
		model [numbers]bool
	}
	var versions []version
	for range rapid.IntRange(1, 8).Draw(t, "edits") {
		owner := &Owner{}
		for range rapid.IntRange(1, 3).Draw(t, "runs") {
			from := rapid.Uint32Range(0, numbers-1).Draw(t, "from")
			insert := rapid.Bool().Draw(t, "insert")
			for n := from; n < min(numbers, from+rapid.Uint32Range(1, 150).Draw(t, "length")); n++ {
				if insert && !model[n] {
					x.Insert(owner, hash(n), n, hash)
				} else if !insert && model[n] {
					x.Delete(owner, hash(n), n)
				}
				model[n] = insert
			}
		}
		owner.Release()
		versions = append(versions, version{x, model})
	}
	for i, v := range versions {
		var want []uint32
		for n := range uint32(numbers) {
			got, ok := v.index.Find(hash(n), func(number uint32) bool { return number == n })
			if ok != v.model[n] || ok && got != n {
				t.Fatalf("version %d: Find(%d) = %d, %v", i, n, got, ok)
			}
			if v.model[n] {
				want = append(want, n)
			}
		}
		if got := slices.Sorted(v.index.All()); !slices.Equal(got, want) || v.index.Len() != len(want) {
			t.Fatalf("version %d has %v, %d numbers, want %v", i, got, v.index.Len(), want)
		}
	}
}

func TestCandidateIsTheNumberOfTheHash(t *testing.T) {
	t.Parallel()
	owner := NewExclusive()
	var x HashIndex
	if _, ok := x.Bucket(hashOf(1)).Candidate(hashOf(1)); ok {
		t.Error("an empty index has a candidate")
	}
	x.Insert(owner, hashOf(1), 1, hashOf)
	if got, ok := x.Bucket(hashOf(1)).Candidate(hashOf(1)); !ok || got != 1 {
		t.Errorf("the candidate is %d, %v, want 1", got, ok)
	}
}

func TestZeroBytesAreFound(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		if got := zeroBytes(^(uint64(0xff) << (8 * i))); got != 1<<i {
			t.Errorf("zero byte %d gives %08b", i, got)
		}
	}
	if got := zeroBytes(0); got != 0xff {
		t.Errorf("zero gives %08b", got)
	}
}
