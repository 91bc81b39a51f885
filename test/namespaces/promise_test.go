// Package namespaces tries the real binary under real OOM kills: as PID 1 of namespaces in a v1 memory cgroup, in the view
// that a container has of it.
package namespaces

import (
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

// promise is what must be seen after a run.
type promise struct {
	code  int
	kills int    // how many oom_kill events; the kernel must have counted as many
	comm  string // the victim of the first
	role  string
	// certainty of each is one of these.
	certainty []string
}

// check holds the outcome of a run to the promise. counted is the kernel's own count.
func (p promise) check(t *testing.T, code int, output string, counted int) {
	t.Helper()
	events := testproc.Events(t, output)
	kills := testproc.Named(events, "oom_kill")
	if code != p.code || len(kills) != p.kills || counted != p.kills {
		t.Fatalf("exit code %d, %d oom_kill events, %d counted by the kernel; want %d and %d\n%s",
			code, len(kills), counted, p.code, p.kills, output)
	}
	for _, kill := range kills {
		certain := false
		for _, c := range p.certainty {
			certain = certain || kill.String("certainty") == c
		}
		if !certain {
			t.Errorf("certainty %q; want one of %q", kill.String("certainty"), p.certainty)
		}
		if kill.String("limit") != "own" {
			t.Errorf("limit %q; want own", kill.String("limit"))
		}
	}
	if p.kills == 0 {
		return
	}
	if comm, role := kills[0].String("process", "executable", "name"), kills[0].String("role"); comm != p.comm || role != p.role {
		t.Errorf("victim %q, %q; want %q, %q", comm, role, p.comm, p.role)
	}
}
