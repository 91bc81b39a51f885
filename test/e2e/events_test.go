// Package e2e tries the real binary on real OOM kills: as PID 1 of new namespaces, in Docker's containers, and on cgroup
// v2 in a user-mode Linux.
package e2e

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m, removingImage) }

// event is what the tests look at in a line of oominit's.
type event struct {
	Event   string `json:"event"`
	Process struct {
		PID        int `json:"pid"`
		Executable struct {
			Name string `json:"name"`
		} `json:"executable"`
	} `json:"process"`
	Role      string `json:"role"`
	Origin    string `json:"origin"`
	Certainty string `json:"certainty"`
	Action    string `json:"action"`
	ExitCode  *int   `json:"exit_code"`
	OOMKills  int    `json:"oom_kills"`
}

// events returns the events among the lines of output, each of which has to match docs/events.schema.json.
func events(t *testing.T, output string) []event {
	t.Helper()
	testproc.Events(t, output)
	var found []event
	for line := range strings.Lines(output) {
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Event != "" {
			found = append(found, e)
		}
	}
	return found
}

// named returns the events of that name.
func named(all []event, name string) []event {
	return slices.DeleteFunc(slices.Clone(all), func(e event) bool { return e.Event != name })
}

// wantNoKill fails unless the exit code is 0 and no event is there, not even on info: the control beside the kills.
func wantNoKill(t *testing.T, code int, all []event) {
	t.Helper()
	if code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if kills := named(all, "oom_kill"); len(kills) != 0 {
		t.Errorf("oom_kill events without an OOM kill: %+v", kills)
	}
}

// wantPID fails unless the only oom_kill event names this process.
func wantPID(t *testing.T, all []event, pid int, role, origin string) {
	t.Helper()
	kills := named(all, "oom_kill")
	if len(kills) != 1 {
		t.Fatalf("%d oom_kill events, want 1: %+v", len(kills), all)
	}
	e := kills[0]
	if e.Process.PID != pid || e.Role != role || e.Origin != origin {
		t.Errorf("victim %d, %s, %s; want %d, %s, %s", e.Process.PID, e.Role, e.Origin, pid, role, origin)
	}
	if e.Process.Executable.Name != "hog" {
		t.Errorf("the victim's name is %q, want %q", e.Process.Executable.Name, "hog")
	}
	if e.Certainty != "certain" && e.Certainty != "probable" {
		t.Errorf("certainty %q", e.Certainty)
	}
}

func wantKernelKills(t *testing.T, r result, want int) {
	t.Helper()
	if r.kernelKills != want {
		t.Fatalf("the kernel counted %d OOM kills, want %d", r.kernelKills, want)
	}
}
