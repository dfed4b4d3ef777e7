package decide

import (
	"math/bits"

	"canopy.dev/canopy/internal/foundation/id"
)

// Whoever looks something up in a large environment waits for memory, about
// 150 ns each time that what is needed next is known only from what came last.
// An index costs two such waits, for the bucket and for what its number stands
// for. So what Evaluate needs of a member and of a node lies where the id itself
// says: in one of four seats, its home, that lie side by side and are looked at
// together. An id whose home was full when it came is a stray, found by an
// index as usual. Members get as many seats as there are ids, and one in five is a
// stray; nodes, whose seats are small, get an eighth more, and one in seven is.
//
// The homes are laid out when a snapshot is built, and stay. An environment that
// outgrows them has more strays, until it is built afresh.

const homeLen = 4

// homesFor is how many homes are in so many seats, rounded up.
func homesFor(seats int) uint32 { return uint32((seats + homeLen - 1) / homeLen) }

// homeOf is the home of an id of hash h among so many.
func homeOf(h uint64, homes uint32) uint32 {
	hi, _ := bits.Mul64(h, uint64(homes))
	return uint32(hi)
}

// words is an id as two numbers, to be compared without a branch.
func words(u *id.ID) (uint64, uint64) {
	return uint64(u[0]) | uint64(u[1])<<8 | uint64(u[2])<<16 | uint64(u[3])<<24 |
			uint64(u[4])<<32 | uint64(u[5])<<40 | uint64(u[6])<<48 | uint64(u[7])<<56,
		uint64(u[8]) | uint64(u[9])<<8 | uint64(u[10])<<16 | uint64(u[11])<<24 |
			uint64(u[12])<<32 | uint64(u[13])<<40 | uint64(u[14])<<48 | uint64(u[15])<<56
}

// seatOf is which of the four ids of a home is u; homeLen when none is.
func seatOf(u *id.ID, home *[homeLen]*id.ID) uint32 {
	lo, hi := words(u)
	seat := uint32(homeLen)
	for i := range home {
		x, y := words(home[i])
		if (x^lo)|(y^hi) == 0 {
			seat = uint32(i)
		}
	}
	if lo|hi == 0 { // as an empty seat
		seat = homeLen
	}
	return seat
}

// A crowd is the members. The number of a member that is at home says where it
// sits; the others sit wherever a seat was left, and strays has their numbers.
type crowd struct {
	seats  hall[memberHome, [16]memberHome]
	homes  uint32 // the seats in front that are homes; all those behind are for strays
	end    uint32 // the first number never given out
	size   int
	strays index
}

type memberHome [homeLen]member

// at is the member of a number, to be read only.
func (c *crowd) at(m uint32) *member { return &c.seats.at(m / homeLen)[m%homeLen] }

// edit is the member of a number, safe to change.
func (c *crowd) edit(s *session, m uint32) *member { return &c.seats.edit(s, m/homeLen)[m%homeLen] }

// home is the four seats where the member of an id of hash h sits, unless it is
// a stray, and the number of the first.
func (c *crowd) home(h uint64) (*memberHome, uint32) {
	if c.homes == 0 {
		return new(memberHome), 0
	}
	home := homeOf(h, c.homes)
	return c.seats.at(home), home * homeLen
}

// seat is where in the home the member u sits; homeLen when it doesn't.
func (home *memberHome) seat(u *id.ID) uint32 {
	return seatOf(u, &[homeLen]*id.ID{&home[0].id, &home[1].id, &home[2].id, &home[3].id})
}

func (c *crowd) find(u id.ID) (uint32, bool) {
	h := hashID(u)
	home, first := c.home(h)
	if seat := home.seat(&u); seat < homeLen {
		return first + seat, true
	}
	return c.stray(u, h)
}

// stray finds a member that is not at home.
func (c *crowd) stray(u id.ID, h uint64) (uint32, bool) {
	return c.strays.find(h, func(m uint32) bool { return c.at(m).id == u })
}

func (c *crowd) hash(m uint32) uint64 { return hashID(c.at(m).id) }

func (c *crowd) atHome(m uint32, h uint64) bool {
	return c.homes > 0 && m/homeLen == homeOf(h, c.homes)
}

// put gives a new member a number: at home when a seat is empty there, else the
// first of the vacant ones, else a new one.
func (c *crowd) put(s *session, vacant **vacancy, who member) {
	h := hashID(who.id)
	c.size++
	home, first := c.home(h)
	for i := range home {
		if c.homes > 0 && home[i].empty() {
			*c.edit(s, first+uint32(i)) = who
			return
		}
	}
	m := c.end
	if *vacant != nil {
		m, *vacant = (*vacant).number, (*vacant).next
	} else {
		if m == c.seats.n*homeLen {
			c.seats.add(s, memberHome{})
		}
		c.end++
	}
	*c.edit(s, m) = who
	if !c.atHome(m, h) {
		c.strays.put(s, h, m, c.hash)
	}
}

// settle gives numbers to the members of a new snapshot, and returns them in the
// order of the list. Strays get the seats that are left in homes of others.
func (c *crowd) settle(s *session, list []member) []uint32 {
	c.homes = homesFor(len(list))
	c.seats.layOut(c.homes)
	c.end, c.size = c.homes*homeLen, len(list)
	numbers := make([]uint32, len(list))
	var strays []int
next:
	for i := range list {
		home, first := c.home(hashID(list[i].id))
		for j := range home {
			if home[j].empty() {
				home[j] = list[i]
				numbers[i] = first + uint32(j)
				continue next
			}
		}
		strays = append(strays, i)
	}
	c.strays.reserve(s, len(strays))
	seat := uint32(0)
	for _, i := range strays {
		for !c.at(seat).empty() {
			seat++
		}
		*c.at(seat) = list[i]
		numbers[i] = seat
		c.strays.put(s, hashID(list[i].id), seat, c.hash)
	}
	return numbers
}

// drop takes a member away. Its number may be given out again when the caller
// says that it is vacant.
func (c *crowd) drop(s *session, m uint32) {
	h := c.hash(m)
	if !c.atHome(m, h) {
		c.strays.drop(s, h, m)
	}
	*c.edit(s, m) = member{state: left}
	c.size--
}

// A plate is what Evaluate needs of a node: its number, and what up says of it.
type plate struct {
	id     id.ID
	number uint32
	up     uint32
}

type nodeHome [homeLen]plate

// plates are homes of nodes. Unlike a member, a node has a number that does not
// depend on where its plate hangs: nodes made together have numbers together,
// and the nodes near the root, where every way leads, share their cache lines.
type plates struct {
	homes  hall[nodeHome, [32]nodeHome]
	strays index // of the nodes without a plate
	size   int   // of all nodes
}

func (p *plates) home(h uint64) *nodeHome {
	if p.homes.n == 0 {
		return new(nodeHome)
	}
	return p.homes.at(homeOf(h, p.homes.n))
}

// seat is where in the home the plate of u hangs; homeLen when it doesn't.
func (home *nodeHome) seat(u *id.ID) uint32 {
	return seatOf(u, &[homeLen]*id.ID{&home[0].id, &home[1].id, &home[2].id, &home[3].id})
}

// put adds a node that is not there yet. hash is the hash of any node's id.
func (p *plates) put(s *session, u id.ID, number, up uint32, hash func(uint32) uint64) {
	h := hashID(u)
	p.size++
	home := p.home(h)
	for i := range home {
		if p.homes.n > 0 && home[i].id == (id.ID{}) {
			p.homes.edit(s, homeOf(h, p.homes.n))[i] = plate{u, number, up}
			return
		}
	}
	p.strays.put(s, h, number, hash)
}

// set notes what up says of a node now.
func (p *plates) set(s *session, u id.ID, up uint32) {
	h := hashID(u)
	if seat := p.home(h).seat(&u); seat < homeLen {
		p.homes.edit(s, homeOf(h, p.homes.n))[seat].up = up
	}
}

func (p *plates) drop(s *session, u id.ID, number uint32) {
	h := hashID(u)
	p.size--
	if seat := p.home(h).seat(&u); seat < homeLen {
		p.homes.edit(s, homeOf(h, p.homes.n))[seat] = plate{}
		return
	}
	p.strays.drop(s, h, number)
}
