package supervisor

import (
	"time"

	"github.com/oominit/oominit/internal/memcg"
)

// stillMargin is the room below the limit, in bytes, that lets us open files; each CPU charges 64 pages ahead.
// stillAtMost bounds the wait for it: page cache can fill a cgroup to its limit for good.
const (
	stillMargin = 1 << 20
	stillAtMost = 50 * time.Millisecond
)

// stillness says when to take no memory. Opening a file takes memory of the cgroup's. Where there is none, the kernel
// kills for us; and in the moment in which its victim does not count as dying any more and the pages are still charged,
// it kills once more (docs/design/0008-hold-still.md). Reading from open files takes nothing.
type stillness struct {
	tightSince time.Time // since when usage is at the limit; zero if it is not
}

// needed reports whether usage has just come to the limit, or a kill was just counted there.
func (s *stillness) needed(now time.Time, usage, limit memcg.Bytes, lastKill time.Time) bool {
	if !tight(usage, limit) {
		s.tightSince = time.Time{}
		return false
	}
	if s.tightSince.IsZero() || lastKill.After(s.tightSince) {
		s.tightSince = now
	}
	return now.Sub(s.tightSince) < stillAtMost
}

// tight reports whether usage is at the limit.
func tight(usage, limit memcg.Bytes) bool {
	return limit != memcg.Unlimited && usage+stillMargin > limit
}
