package supervisor

import (
	"testing"
	"time"

	"github.com/oominit/oominit/internal/memcg"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func TestRhythm(t *testing.T) {
	const limit = 1000
	for _, test := range []struct {
		name     string
		age      time.Duration // of the youngest process
		usage    memcg.Bytes
		limit    memcg.Bytes
		interval time.Duration
		near     bool
	}{
		{"far", time.Minute, 499, limit, tickFar, false},
		{"at half", time.Minute, 500, limit, tickAtEdge, true},
		{"at half of more", time.Minute, 32 << 20, 64 << 20, 32 << 20 / fillRate * 4, true},
		{"at half of much", time.Minute, 1 << 30, 2 << 30, tickNear, true},
		{"at nine tenths", time.Minute, 900, limit, tickAtEdge, true},
		{"above the limit", time.Minute, 2000, limit, tickAtEdge, true},
		{"no limit", time.Minute, 1 << 40, memcg.Unlimited, tickFar, false},
		{"just born", 0, 0, limit, tickYoung, true},
		{"young", 20 * time.Millisecond, 0, limit, 5 * time.Millisecond, true},
		{"less young", 500 * time.Millisecond, 0, limit, tickAtEdge, true},
		{"young at the edge", 2 * time.Millisecond, 1000, limit, tickYoung, true},
		{"of age", busyFor, 0, limit, tickFar, false},
		{"much room", 0, 0, 64 << 20, 64 << 20 / fillRate, true},
		{"more room", 0, 0, 1 << 30, tickNear, true},
		{"no end of room", 0, 0, memcg.Unlimited, tickNear, true},
		{"much room, and near", 0, 60 << 20, 64 << 20, tickYoung, true},
	} {
		r := rhythm{started: true, tickAt: epoch, lastBirth: epoch.Add(-test.age)}
		if !r.due(epoch) {
			t.Errorf("%s: not due", test.name)
		}
		near := r.ticked(epoch, test.usage, test.limit)
		if got := r.tickAt.Sub(epoch); got != test.interval || near != test.near || r.due(epoch) {
			t.Errorf("%s: %v, near %v; want %v, %v", test.name, got, near, test.interval, test.near)
		}
	}
}

// A tick that came late is followed by one that comes as much later: the CPU quota is used up, and not for us alone.
func TestRhythmSpares(t *testing.T) {
	for late, want := range map[time.Duration]time.Duration{0: tickAtEdge, 5 * time.Millisecond: tickAtEdge, 90 * time.Millisecond: 90 * time.Millisecond, time.Hour: tickFar} {
		r := rhythm{started: true, tickAt: epoch.Add(-late), lastBirth: epoch.Add(-time.Minute)}
		if r.ticked(epoch, 1000, 1000); r.tickAt.Sub(epoch) != want {
			t.Errorf("%s late: the next one after %s, want %s", late, r.tickAt.Sub(epoch), want)
		}
	}
}

func TestRhythmBorn(t *testing.T) {
	var r rhythm
	r.born(epoch)
	r.stirred(epoch)
	if r.due(epoch.Add(time.Hour)) {
		t.Error("a rhythm that was not started ticks")
	}
	r.start(epoch.Add(-time.Minute), false)
	r.ticked(epoch, 0, 1000)
	r.stirred(epoch)
	if r.tickAt != epoch.Add(tickAtEdge) {
		t.Errorf("stirred, and the next tick comes after %v", r.tickAt.Sub(epoch))
	}
	r.born(epoch)
	if r.tickAt != epoch.Add(tickYoung) || r.lastBirth != epoch {
		t.Errorf("after a birth: %v", r.tickAt.Sub(epoch))
	}
	r.stirred(epoch)
	if r.tickAt != epoch.Add(tickYoung) {
		t.Error("the tick was put off")
	}
}

// Where the kernel tells of kills there are ticks after a birth only, and one after each stir.
func TestRhythmTold(t *testing.T) {
	var r rhythm
	r.start(epoch, true)
	ticks := 0
	for now := r.tickAt; !r.tickAt.IsZero(); now = r.tickAt {
		r.ticked(now, 100, 100)
		if ticks++; ticks > 500 {
			t.Fatal("the ticks do not end")
		}
	}
	if ticks < 50 {
		t.Errorf("%d ticks after the start", ticks)
	}
	later := epoch.Add(time.Hour)
	r.stirred(later)
	if r.tickAt != later.Add(tickFar) {
		t.Errorf("stirred: %v", r.tickAt)
	}
	if r.ticked(r.tickAt, 0, 100); !r.tickAt.IsZero() {
		t.Error("a stir has begun ticks")
	}
	if r.born(later); r.tickAt != later.Add(tickYoung) {
		t.Errorf("born: %v", r.tickAt)
	}
}

func TestStillness(t *testing.T) {
	const limit = 64 << 20
	var s stillness
	at := func(after time.Duration, usage, limit memcg.Bytes, kill time.Time) bool {
		return s.needed(epoch.Add(after), usage, limit, kill)
	}
	var never time.Time
	switch {
	case at(0, 1<<40, memcg.Unlimited, never):
		t.Error("still without a limit")
	case at(0, limit-stillMargin, limit, never):
		t.Error("still with room")
	case !at(0, limit-stillMargin+1, limit, never), !at(stillAtMost-1, limit, limit, never):
		t.Error("not still at the limit")
	case at(stillAtMost, limit, limit, never):
		t.Error("still for too long: page cache can fill a cgroup for good")
	case !at(stillAtMost+1, limit, limit, epoch.Add(stillAtMost+1)):
		t.Error("not still after a kill")
	case at(2*stillAtMost, 0, limit, never):
		t.Error("still, and the memory is back")
	case !at(3*stillAtMost, limit, limit, never):
		t.Error("not still at the limit for the second time")
	}
}
