package reliability

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// Whatever becomes of what we write, signals are forwarded and the exit code is right.
func TestWhereEventsGo(t *testing.T) {
	_, full := pipe(t)
	fill(t, full)
	read, closed := pipe(t)
	read.Close()
	disk, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	for name, stdout := range map[string]*os.File{"full pipe": full, "closed pipe": closed, "full disk": disk} {
		t.Run(name, func(t *testing.T) {
			// The command says on another descriptor that it is ready, and leaves processes that were killed, for events.
			ready := newFIFO(t)
			drain(t, ready)
			const script = `trap 'exit 7' TERM; n=0; while [ $n -lt 20 ]; do (sh -c 'kill -9 $$' &); n=$((n+1)); done; echo ready >"$0"; while :; do :; done`
			r := box{stdout: stdout}.start(t, testproc.Build(t), "--log-level=debug", "--", "/bin/sh", "-c", script, ready.Name())
			if line, err := bufio.NewReader(ready).ReadString('\n'); line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			r.signal(unix.SIGTERM)
			if code, _ := r.end(); code != 7 || strings.Contains(r.errs.String(), "oominit") {
				t.Errorf("exit code %d, %q", code, r.errs.String())
			}
		})
	}
}

// drain reads what fill has written.
func drain(t *testing.T, fifo *os.File) {
	t.Helper()
	fd := int(fifo.Fd())
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	for buffer := make([]byte, 1<<16); ; {
		if _, err := unix.Read(fd, buffer); err != nil {
			break
		}
	}
	if err := unix.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
}

// A reader that stalls costs events, never more; once it returns, an event says how many were lost.
func TestReaderReturns(t *testing.T) {
	events := newFIFO(t)
	const script = `trap 'exit 7' TERM; n=0; while [ $n -lt 400 ]; do (sh -c 'kill -9 $$' &); n=$((n+1)); done; echo ready; while :; do :; done`
	r := box{}.start(t, shell(t, script, "--log-level=debug", "--log-output="+events.Name())...)
	r.await("ready")
	written := make(chan string)
	drain(t, events)
	go func() { // until the end of the test closes it
		var all strings.Builder
		for lines := bufio.NewScanner(events); lines.Scan(); {
			all.WriteString(lines.Text() + "\n")
			if strings.Contains(lines.Text(), `"event":"exit"`) {
				break
			}
		}
		written <- all.String()
	}()
	r.signal(unix.SIGTERM)
	if code, _ := r.end(); code != 7 {
		t.Errorf("exit code %d, %q", code, r.errs.String())
	}
	got := testproc.Events(t, <-written)
	dropped := 0
	for _, e := range got {
		dropped += e.Number("dropped_events")
	}
	t.Logf("%d events written, %d dropped", len(got), dropped)
	if last := got[len(got)-1]; dropped == 0 || last.String("event") != "exit" {
		t.Errorf("%d dropped events were told of; the last event is %v", dropped, last)
	}
}

// A named pipe that nobody has opened is a mistake in the configuration, as a directory that does not exist is: it is said
// before the command starts.
func TestFIFOWithoutReader(t *testing.T) {
	name := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(name, 0o600); err != nil {
		t.Fatal(err)
	}
	r := box{}.start(t, shell(t, "echo started", "--log-output="+name)...)
	if code, out := r.end(); code != 125 || out != "" || strings.Count(r.errs.String(), "\n") != 1 {
		t.Errorf("exit code %d, %q, %q", code, out, r.errs.String())
	}
}

// With stdin, stdout and stderr closed at the start, what we open must not be taken for one of them, and the command runs.
func TestStandardStreamsClosed(t *testing.T) {
	for _, closing := range []string{"<&-", ">&-", "2>&-", "<&- >&- 2>&-"} {
		r := box{before: "exec " + closing}.start(t, shell(t, `trap 'exit 6' TERM; kill -TERM 1; while :; do :; done`, "--log-level=debug")...)
		if code, out := r.end(); code != 6 || !strings.HasPrefix(out+`{"level`, `{"level`) {
			t.Errorf("%s: exit code %d, %q", closing, code, out)
		}
	}
}
