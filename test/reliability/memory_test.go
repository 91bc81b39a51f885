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
// it. We live on, signals get through, and each kill that the kernel counts has exactly one event, but for those after our last
// look.
func TestMemoryAtItsLimit(t *testing.T) {
	const limit = 48 << 20
	const shortestLife = 20 * time.Millisecond
	memory := testcgroup.New(t, limit)
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
		// Whoever takes memory before the victim's is back makes the kernel kill once more, the shells or PID 1 (docs/design/0008).
		until(t, "its memory is back", func() bool { return memory.Usage(t) < limit/2 })
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
	// The processes go on until our own end, so that some may be killed after our last look. A kill whose victim nobody saw, since
	// this machine stood still for as long as it lived, delays the end by attribution.MarkedWithin.
	missed := counted - len(events)
	if code != 7 || missed < 0 || missed > 1+int(took/shortestLife) || took > time.Second || counted < signals || worst > time.Second {
		t.Errorf("exit code %d, %d events, %d counted by the kernel; the worst signal took %s; %q", code, len(events), counted, worst, r.errs.String())
	}
}

// A victim that lives and is reaped while PID 1 stands still cannot be named. It must not hold up the end either: everybody
// who is left is seen to be alive, so there is nothing to wait for.
func TestVictimThatNobodySaw(t *testing.T) {
	memory := testcgroup.New(t, 48<<20)
	r := box{memory: memory}.start(t, shell(t, `sleep 1000 & echo ready; read x; tail /dev/zero; echo reaped; read x; exit 0`)...)
	r.await("ready")
	r.signal(unix.SIGSTOP)
	r.say("go")
	r.await("reaped")
	r.signal(unix.SIGCONT)
	resumed := time.Now()
	r.say("end")
	code, out := r.end()
	took := time.Since(resumed)
	events := kills(t, out)
	if code != 137 || len(events) != 1 || memory.Kills(t) != 1 || events[0].String("certainty") != "unattributed" || took > time.Second {
		t.Errorf("exit code %d after %s, %d counted by the kernel, events %v", code, took, memory.Kills(t), events)
	}
}

// The way from a kill to its line was gone before, so that it takes no page of the container's: a page fault of ours at the limit
// waits for the kernel's reclaim, or has it kill once more (docs/design/0012-no-new-page.md).
func TestKillTakesNoNewPage(t *testing.T) {
	const some = 2 // for who is born before; without the rehearsal it takes 5
	taken := func() (pages int) {
		memory := testcgroup.New(t, 48<<20)
		r := box{memory: memory}.start(t, shell(t, `echo ready; read x; tail /dev/zero; read x; exit 0`)...)
		r.await("ready")
		before, same := -1, 0
		until(t, "the start is over", func() bool {
			now := r.anonymousPages()
			if same++; now != before {
				before, same = now, 0
			}
			return same == 20
		})
		r.say("go")
		r.await(`{"level":"error"`)
		pages = r.anonymousPages() - before
		r.say("end")
		if code, _ := r.end(); code != 137 {
			t.Errorf("exit code %d", code)
		}
		return pages
	}
	if pages := min(taken(), taken()); pages > some { // where the first line is written late, it may be made ready for the next
		t.Errorf("%d pages were taken", pages)
	}
}
