package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
	"github.com/oominit/oominit/internal/uml"
)

// report is the object of oominit check --json.
type report struct{ testproc.Event }

// state is that of a finding, or "" if there is none of that name.
func (r report) state(name string) string {
	findings, _ := r.Event["findings"].([]any)
	for _, f := range findings {
		if finding, _ := f.(map[string]any); finding["name"] == name {
			return fmt.Sprint(finding["state"])
		}
	}
	return ""
}

// is fails the test if the value at the keys, separated by dots, is another.
func (r report) is(t *testing.T, keys string, want any) {
	t.Helper()
	var got any = map[string]any(r.Event)
	for key := range strings.SplitSeq(keys, ".") {
		object, _ := got.(map[string]any)
		got = object[key]
	}
	if got != want {
		t.Errorf("%s is %v, want %v", keys, got, want)
	}
}

func reported(t *testing.T, output string) report {
	t.Helper()
	return report{testproc.Valid(t, "check.schema.json", output)}
}

func TestCheckInDocker(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	image := newImage(t)
	const program = "/opt/oominit/oominit"
	options := []string{
		"--network", "none", "--memory", "64m", "--memory-swap", "64m", "--pids-limit", "50",
		"--label", "oominit.e2e=" + strconv.Itoa(os.Getpid()), "-v", filepath.Dir(testproc.Build(t)) + ":/opt/oominit:ro",
	}
	// checked runs the client, whose exit code is the program's.
	checked := func(t *testing.T, wantCode int, arguments ...string) report {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		out, err := docker(ctx, arguments...)
		code := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != wantCode {
			t.Errorf("exit code %d, want %d: %v\n%s", code, wantCode, err, out)
		}
		return reported(t, out)
	}

	t.Run("entry point", func(t *testing.T) {
		r := checked(t, 0, append(append([]string{"run", "--rm", "--entrypoint", program}, options...), image, "check", "--json", "nginx", "-g", "daemon off;")...)
		r.is(t, "facts.init.pid", 1.0)
		r.is(t, "facts.memory.limit_bytes", float64(64<<20))
		r.is(t, "facts.memory.swap_limit_bytes", 0.0)
		r.is(t, "facts.process.pids_limit", 50.0)
		r.is(t, "facts.cgroup.directory", "/sys/fs/cgroup/memory")
		r.is(t, "facts.evidence.newest_pid.works", true)
		r.is(t, "facts.evidence.wait_status.works", true)
		// Root in a container has no CAP_SYS_PTRACE.
		r.is(t, "facts.evidence.proc_exit_code_other_user.works", false)
	})
	t.Run("too few pids", func(t *testing.T) {
		r := checked(t, 1, append(append([]string{"run", "--rm", "--entrypoint", program}, options...), "--pids-limit", "12", image, "check", "--json")...)
		if r.state("pids") != "degraded" {
			t.Errorf("pids are %q", r.state("pids"))
		}
	})
	for name, test := range map[string]struct {
		command []string
		code    int
		state   string
	}{
		"beside oominit": {[]string{"--entrypoint", program, image, "--", "sleep", "100"}, 0, "ok"},
		"beside another": {[]string{"--entrypoint", "/bin/sleep", image, "100"}, 1, "missing"},
	} {
		t.Run(name, func(t *testing.T) {
			var run []string
			for i, word := range test.command {
				if word == image {
					run = append(append(append([]string{"run", "-d"}, test.command[:i]...), options...), test.command[i:]...)
				}
			}
			id := mustDocker(t, run...)
			t.Cleanup(func() { cleanDocker(t, "rm", "-f", id) })
			r := checked(t, test.code, "exec", id, program, "check", "--json")
			if got := r.state("init"); got != test.state {
				t.Errorf("init is %q, want %q", got, test.state)
			}
			r.is(t, "facts.init.parent_pid", 0.0)
		})
	}
}

// umlCheck runs the check as PID 1 of a container on cgroup v2, and in one whose own cgroup has no memory controller.
const umlCheck = `
mkdir /sys/fs/cgroup/check
echo 48M >/sys/fs/cgroup/check/memory.max
echo 0 >/sys/fs/cgroup/check/memory.swap.max
echo 40 >/sys/fs/cgroup/check/pids.max
(
	sh -c 'echo $PPID' >/sys/fs/cgroup/check/cgroup.procs
	exec unshare --pid --mount --cgroup --fork --mount-proc sh -c '
		umount /sys/fs/cgroup && mount -t cgroup2 -o ro cgroup2 /sys/fs/cgroup && exec "$@"' sh %[2]s check --json
) >%[1]s/check.out
echo $? >%[1]s/check.code
echo 1 >/sys/fs/cgroup/check/memory.oom.group
(
	sh -c 'echo $PPID' >/sys/fs/cgroup/check/cgroup.procs
	exec %[2]s check --json
) >%[1]s/group.out
echo $? >%[1]s/group.code
`

func TestCheckOnV2(t *testing.T) {
	testproc.Require(t, "uml", uml.Missing())
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	log, err := uml.Run(ctx, dir, fmt.Sprintf(umlCheck, dir, testproc.Build(t)), "TESTPROC_HELPER=poweroff exec "+testproc.BuildActor(t))
	if log == "" {
		testproc.Require(t, "uml", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	r := reported(t, read("check.out"))
	if code := read("check.code"); code != "0" {
		t.Errorf("exit code %s\n%s", code, read("check.out"))
	}
	r.is(t, "facts.cgroup.version", "v2")
	r.is(t, "facts.cgroup.path", "/")
	r.is(t, "facts.counters.woken_by", "poll")
	r.is(t, "facts.memory.limit_bytes", float64(48<<20))
	r.is(t, "facts.memory.swap_limit_bytes", 0.0)
	r.is(t, "facts.process.pids_limit", 40.0)
	// Linux 6.1 has the one and not the other.
	r.is(t, "facts.evidence.proc_exit_code.works", true)
	r.is(t, "facts.evidence.pidfd_exit_status.works", false)
	if r = reported(t, read("group.out")); r.state("oom_group") != "degraded" || read("group.code") != "1" {
		t.Errorf("with memory.oom.group: %q, exit code %s", r.state("oom_group"), read("group.code"))
	}
}
