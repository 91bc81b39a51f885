package supervisor

import (
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/proctrack"
)

// execs has the next start of a program wake us: nothing else would tell of a process before it is killed.
type execs struct {
	from    time.Time // when to begin
	fd      int       // 0 before there is one
	refused bool
}

// execsAfter is when the watching begins: the kernel takes some 10 ms to give an inotify instance back when we end
// (synchronize_srcu under fsnotify_destroy_group in fs/notify/group.c), which would be felt with short commands.
const execsAfter = 50 * time.Millisecond

// arm has one more start wake us. Starts by others, where they share our directories of programs, cannot be told from
// our own, so it is for the caller to bound how often they do.
func (e *execs) arm(now time.Time, p *poller, t *proctrack.Tracker) {
	const once = unix.EPOLLIN | unix.EPOLLONESHOT
	switch {
	case p == nil || e.refused || now.Before(e.from):
	case e.fd > 0:
		t.DrainExecs()
		_ = p.rearm(e.fd, once) // cannot fail for a descriptor that was added
	default:
		fd, err := t.WatchExecs(strings.Split(searchPath(), ":"))
		if err == nil {
			err = p.add(fd, once)
		}
		// The limit on inotify instances is the user's: without one the timer finds who is born, only later.
		e.fd, e.refused = fd, err != nil
	}
}
