package reliability

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
)

// long reports whether there is time.
func long() bool { return os.Getenv("RELIABILITY_LONG") != "" }

// soak is how long a test goes on that is only worth something if it goes on for a while.
func soak() time.Duration {
	if long() {
		return time.Minute
	}
	return 8 * time.Second
}

// Memory is at its limit all the time, since a process that takes too much is started anew whenever the kernel has killed
// it. We live on, signals get through, and each kill that the kernel counts has exactly one event, but for one after our last look.
func TestMemoryAtItsLimit(t *testing.T) {
	memory := testcgroup.New(t, 48<<20)
	const script = `trap 'echo usr1' USR1; trap 'exit 7' TERM
(trap '' TERM; while :; do tail /dev/zero; done) 2>/dev/null & echo ready; while :; do wait; done`
	r := box{memory: memory}.start(t, shell(t, script)...)
	r.await("ready")
	var worst time.Duration
	signals := 0
	for begun := time.Now(); time.Since(begun) < soak(); signals++ {
		sent := time.Now()
		r.signal(unix.SIGUSR1)
		r.await("usr1")
		worst = max(worst, time.Since(sent))
		before := memory.Kills(t)
		until(t, "one more kill", func() bool { return memory.Kills(t) > before })
	}
	sent := time.Now()
	r.signal(unix.SIGTERM)
	code, out := r.end()
	took := time.Since(sent)
	counted, events := memory.Kills(t), kills(t, out)
	certainties := make(map[string]int)
	for _, e := range events {
		certainties[e.String("certainty")+" "+e.String("process", "executable", "name")]++
	}
	t.Logf("%d kills, %d events %v; the worst of %d signals took %s, the end %s", counted, len(events), certainties, signals, worst.Round(time.Microsecond), took.Round(time.Millisecond))
	// The processes go on until our own end, so that one more may be killed after our last look.
	missed := counted - len(events)
	if code != 7 || missed < 0 || missed > 1 || counted < signals || worst > time.Second {
		t.Errorf("exit code %d, %d events, %d counted by the kernel; the worst signal took %s; %q", code, len(events), counted, worst, r.errs.String())
	}
}
