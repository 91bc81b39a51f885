package reliability

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
)

// smallestPids is the pids.max with which a command of one process is started every time: it takes 7 threads, rarely 8.
const smallestPids = 9

// It starts with few pids, and says in one line with 125 if the command's own is the one that cannot be had.
func TestFewPids(t *testing.T) {
	for _, most := range []int{smallestPids, 16} {
		r := box{groups: []string{newGroup(t, "pids", map[string]int{"pids.max": most})}}.start(t, shell(t, "exit 7")...)
		if code, out := r.end(); code != 7 || out != "" || r.errs.Len() > 0 {
			t.Errorf("pids.max %d: exit code %d, %q, %q", most, code, out, r.errs.String())
		}
	}
	// Below that, who finds none left depends on how far the start came: we, or Go's runtime, which ends the program with 2 and
	// a dump of its own. Nobody goes on without a thread that it needs.
	for most := 2; most < smallestPids; most++ {
		r := box{groups: []string{newGroup(t, "pids", map[string]int{"pids.max": most})}}.start(t, shell(t, "exit 7")...)
		code, out := r.end()
		errs := r.errs.String()
		ours := code == 125 && strings.Count(errs, "\n") == 1 && strings.HasPrefix(errs, "oominit: cannot fork")
		runtimes := code == 2 && strings.HasPrefix(errs, "runtime: failed to create new OS thread")
		if out != "" || !ours && !runtimes && code != 7 {
			t.Errorf("pids.max %d: exit code %d, %q, %q", most, code, out, errs)
		}
		t.Logf("pids.max %d: exit code %d", most, code)
	}
}

// With every pid taken after the start, all goes on with the threads that are there: a kill is reported, though whoever
// reads the events has stalled for a while, signals are forwarded, and the exit code is right. The limit bounds the storm.
func TestPidsUsedUp(t *testing.T) {
	for _, most := range []int{16, 24} {
		t.Run(fmt.Sprintf("pids.max %d", most), func(t *testing.T) {
			memory, pids := testcgroup.New(t, 64<<20), newGroup(t, "pids", map[string]int{"pids.max": most})
			events := newFIFO(t)
			// dash ends where it cannot fork, so a subshell does it. The victim is there before.
			const script = `trap 'exit 7' TERM; trap 'echo usr1' USR1; echo ready
(read go; exec tail /dev/zero) <&0 & ( while :; do sleep 60 & done ) 2>/dev/null; echo full; while :; do :; done`
			r := box{memory: memory, groups: []string{pids}}.start(t, shell(t, script, "--log-level=debug", "--log-output="+events.Name())...)
			r.await("ready")
			before, _ := r.census()
			r.await("full")
			if counter := readFile(t, filepath.Join(pids, "pids.events")); !strings.Contains(counter, "max ") || strings.Contains(counter, "max 0") {
				t.Errorf("the limit was never hit: this test proves nothing (%q)", counter)
			}
			r.say("go")
			until(t, "the kernel kills", func() bool { return memory.Kills(t) > 0 })
			for range 20 {
				r.signal(unix.SIGUSR1)
				r.await("usr1")
			}
			after, _ := r.census()
			lines := bufio.NewReader(events)
			for line := ""; !strings.Contains(line, `"oom_kill"`); {
				var err error
				if line, err = lines.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			begun := time.Now()
			r.signal(unix.SIGTERM)
			code, _ := r.end()
			t.Logf("%d threads, %d later; the end took %s", before, after, time.Since(begun).Round(time.Millisecond))
			if code != 7 || after != before {
				t.Errorf("exit code %d; %d threads, %d later; %q", code, before, after, r.errs.String())
			}
		})
	}
}

// From the moment at which the command runs, no new thread is needed: here none can be had, whatever happens. A Go program
// that cannot have one dies.
func TestNoThreadAfterTheStart(t *testing.T) {
	for attempt := range 10 {
		memory, pids := testcgroup.New(t, 64<<20), newGroup(t, "pids", map[string]int{"pids.max": 64})
		events := newFIFO(t)
		const script = `trap 'exit 7' TERM; trap 'echo usr1' USR1; (read go; exec tail /dev/zero) <&0 & echo ready; while :; do :; done`
		r := box{memory: memory, groups: []string{pids}}.start(t, shell(t, script, "--log-level=debug", "--log-output="+events.Name())...)
		r.await("ready")
		if err := os.WriteFile(filepath.Join(pids, "pids.max"), []byte("1"), 0); err != nil {
			t.Fatal(err)
		}
		r.say("go")
		until(t, "the kernel kills", func() bool { return memory.Kills(t) > 0 })
		r.signal(unix.SIGUSR1)
		r.await("usr1")
		r.signal(unix.SIGTERM)
		if code, _ := r.end(); code != 7 {
			t.Fatalf("attempt %d: exit code %d, %.6000s", attempt, code, r.errs.String())
		}
	}
}

// newFIFO makes a named pipe that is full and that nobody reads.
func newFIFO(t *testing.T) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	fifo, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { fifo.Close() })
	fill(t, fifo)
	return fifo
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
