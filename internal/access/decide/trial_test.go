package decide_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"canopy.dev/canopy/internal/access/decide"
	"canopy.dev/canopy/internal/access/decide/oracle"
	"canopy.dev/canopy/internal/foundation/id"
)

// TestTrialLooksPastNewNodes: the gains of Kept are those at nodes that were there before, and
// no area names another one.
func TestTrialLooksPastNewNodes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		e := drawEdit(t, 2)
		after := w.Clone()
		after.Apply(e)
		now := drawInstant(t)
		gains, losses := map[oracle.Access]bool{}, map[oracle.Access]bool{}
		build(t, w, 1).Try(e).Kept().Each(id.ID{}, now, func(i decide.Impact) bool {
			for _, area := range i.Gains {
				for _, of := range append(area.Except, area.Node) {
					if _, is := w.Nodes[of]; !is {
						t.Errorf("%+v names a node that is new", area)
					}
				}
				for _, x := range after.Expand(i.Identity, area) {
					if _, is := w.Nodes[x.Node]; is {
						gains[x] = true
					}
				}
			}
			expand(t, w, i.Identity, i.Losses, losses)
			return true
		})
		wantGains, wantLosses := w.Difference(after, now)
		for x := range wantGains {
			if _, is := w.Nodes[x.Node]; !is {
				delete(wantGains, x)
			}
		}
		same(t, "gains", wantGains, gains)
		same(t, "losses", wantLosses, losses)
	})
}

// TestTrialCountsWhomItTells: from wherever it begins, up to a number, or until it is stopped.
func TestTrialCountsWhomItTells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		trial := build(t, w, 1).Try(drawEdit(t, 2))
		now := drawInstant(t)
		var all []decide.Impact
		trial.Each(id.ID{}, now, func(i decide.Impact) bool {
			all = append(all, i)
			return true
		})
		from := rapid.IntRange(0, len(all)).Draw(t, "from")
		most, looks := rapid.IntRange(0, 3).Draw(t, "most"), rapid.IntRange(1, 6).Draw(t, "looks")
		var after id.ID
		if from > 0 {
			after = all[from-1].Identity
		}
		want := decide.Affected{Until: decide.Forever}
		counted, looked := 0, 0
		for want.Whole = true; from < len(all); from++ {
			i := all[from]
			if i.Changes() {
				if counted++; counted > most {
					want.Whole = false
					break
				}
			}
			want.Gaining += min(1, len(i.Gains))
			want.Losing += min(1, len(i.Losses))
			want.Until = min(want.Until, i.Until)
			if looked++; looked == looks {
				want.Whole = false
				break
			}
		}
		asked := 0
		got := trial.Count(after, most, now, func() bool {
			asked++
			return asked == looks
		})
		same(t, "affected", want, got)
	})
}

// TestWeightIsWhatLiesBelow: nodes that lie below one another are counted once.
func TestWeightIsWhatLiesBelow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		s := build(t, w, 1)
		var tops []id.ID
		for range rapid.IntRange(0, 4).Draw(t, "tops") {
			tops = append(tops, nodeID(rapid.IntRange(1, 9).Draw(t, "top")))
		}
		without := map[id.ID]bool{nodeID(rapid.IntRange(1, 9).Draw(t, "without")): true}
		under, want, height := map[id.ID]bool{}, decide.Weight{}, 0
		for of := range w.Nodes {
			line := w.Lineage(of)
			slices.Reverse(line)
			for i, at := range line {
				for k, top := range tops {
					if at != top {
						continue
					}
					under[of] = true
					left := false
					for _, below := range line[i+1:] {
						left = left || without[below]
					}
					if k == 0 && !left {
						height = max(height, len(line)-i)
					}
				}
			}
		}
		for _, a := range w.Assignments {
			if under[a.Node] {
				want.Assignments++
			}
		}
		want.Nodes = len(under)
		same(t, "weight", want, s.WeightOf(tops))
		same(t, "count", len(under), s.CountUnder(tops))
		got := map[id.ID]bool{}
		for _, of := range s.Under(tops) {
			got[of] = true
		}
		same(t, "under", under, got)
		if len(tops) > 0 {
			same(t, "height", height, s.Height(tops[0], without))
		}
		held := map[id.ID]int{}
		for _, a := range w.Assignments {
			held[a.Identity]++
		}
		for of := range w.Members {
			same(t, "held", held[of], s.HeldBy(of))
		}
	})
}
