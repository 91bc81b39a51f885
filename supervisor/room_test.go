package supervisor

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/aside"
	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/internal/report"
	"github.com/oominit/oominit/policy"
)

// What a kill has started, and what it has written, takes memory: while its victim's is not back, both wait.
func TestRoomForWhatFollows(t *testing.T) {
	file := filepath.Join(t.TempDir(), "metrics")
	config := Config{Report: report.Options{MetricsFile: file, FD: -1}}
	s := &Supervisor{
		config: config, report: report.New(config.Report), policy: policy.NewEngine(policy.Rules{}, policy.Continue),
		hook: hook{path: "/bin/true", thread: aside.New(1), wake: -1, started: make(chan hookStart, 1)},
	}
	verdict := func(pid int) attribution.Verdict {
		id := attribution.ID{PID: pid, StartTime: 1}
		return attribution.Verdict{OOM: true, Certainty: attribution.Certain, Process: attribution.Process{ID: id, Comm: "victim"}}
	}
	written := func() bool {
		s.report.Flush(10 * time.Second)
		_, err := os.Stat(file)
		return err == nil
	}
	s.watch.still = true
	s.conclude(epoch, []attribution.Verdict{verdict(7)})
	if s.hook.state != hookIdle || len(s.hook.queue) != 1 || !s.hook.busy() {
		t.Errorf("the hook is %d, with %d waiting", s.hook.state, len(s.hook.queue))
	}
	if !s.metricsAt.Equal(epoch.Add(stillAtMost)) || written() {
		t.Errorf("metrics at %s", s.metricsAt)
	}

	s.watch.still = false
	s.state = ended
	if s.nextHook(epoch); s.hook.state != hookIdle {
		t.Error("a hook is started when all is over")
	}
	s.state = running
	s.nextHook(epoch)
	start := <-s.hook.started
	if start.err == nil {
		_, _ = unix.Wait4(start.pid, nil, 0, nil) // other tests look for children
	}
	if start.err != nil || s.hook.state != hookStarting || len(s.hook.queue) != 0 {
		t.Errorf("the hook is %d, with %d waiting; %v", s.hook.state, len(s.hook.queue), start.err)
	}
	s.conclude(epoch, []attribution.Verdict{verdict(8)})
	if !written() {
		t.Error("no metrics where there is room")
	}
}
