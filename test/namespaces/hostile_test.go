package namespaces

import (
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// Surroundings that hide things from us: the exit code stays right, there is one event for the kill, and whoever is named
// is the victim. Only the certainty goes.
func TestHostileSurroundings(t *testing.T) {
	const leaf = "tail /dev/zero; exit 0"
	// Root without CAP_SYS_PTRACE, as in containers, and a victim of another user: its exit code is hidden in /proc.
	const otherUser = "setpriv --reuid 1000 --regid 1000 --clear-groups tail /dev/zero; exit 0"
	const noPtrace = "exec setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace -- \"$@\""
	for name, test := range map[string]struct {
		before string // runs in the container, and executes the rest
		script string
		env    []string
		// certainties that may come of it.
		certainties []string
	}{
		"control":                {`exec "$@"`, leaf, nil, exact},
		"another user":           {noPtrace, otherUser, nil, near},
		"hidepid=2":              {`mount -o remount,hidepid=2 /proc && ` + noPtrace, otherUser, nil, append(near, "unattributed")},
		"hidepid=2, no pidfd":    {`mount -o remount,hidepid=2 /proc && ` + noPtrace, otherUser, []string{"TESTPROC_REFUSE=pidfd_open", "TESTPROC_ERRNO=EPERM"}, append(near, "unattributed")},
		"32 descriptors":         {`ulimit -n 32; exec "$@"`, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 5 & done; " + leaf, nil, append(near, "unattributed")},
		"24 descriptors":         {`ulimit -n 24; exec "$@"`, "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 5 & done; " + leaf, nil, append(near, "unattributed")},
		"pidfd_open: ENOSYS":     {`exec "$@"`, leaf, []string{"TESTPROC_REFUSE=pidfd_open", "TESTPROC_ERRNO=ENOSYS"}, near},
		"pidfd_open: EPERM":      {`exec "$@"`, leaf, []string{"TESTPROC_REFUSE=pidfd_open", "TESTPROC_ERRNO=EPERM"}, near},
		"PIDFD_GET_INFO: EPERM":  {`exec "$@"`, leaf, []string{"TESTPROC_REFUSE=pidfd_get_info", "TESTPROC_ERRNO=EPERM"}, near},
		"PIDFD_GET_INFO: ENOSYS": {noPtrace, otherUser, []string{"TESTPROC_REFUSE=pidfd_get_info", "TESTPROC_ERRNO=ENOSYS"}, near},
	} {
		t.Run(name, func(t *testing.T) {
			cgroup := testcgroup.New(t, 64<<20)
			program := []string{"/bin/sh", "-c", test.before, "sh"}
			if len(test.env) > 0 {
				program = append(program, "/usr/bin/env", testproc.HelperVariable+"=refuse", testproc.BuildActor(t))
			}
			program = append(program, testproc.Build(t), "--", "/bin/sh", "-c", test.script)
			begun := time.Now()
			code, output := inNamespaces(t, cgroup, true, test.env, program...)
			kills := testproc.Named(testproc.Events(t, output), "oom_kill")
			if n := cgroup.Kills(t); n != 1 || code != 137 || len(kills) != 1 {
				t.Fatalf("exit code %d, %d events, %d counted by the kernel\n%s", code, len(kills), n, output)
			}
			certainty, comm := kills[0].String("certainty"), kills[0].String("process", "executable", "name")
			if certainty != "unattributed" && comm != "tail" {
				t.Errorf("named %q\n%s", comm, output)
			}
			for _, allowed := range test.certainties {
				if certainty == allowed {
					if took := time.Since(begun); took > 15*time.Second {
						t.Errorf("it took %s", took)
					}
					return
				}
			}
			t.Errorf("certainty %q, want one of %q\n%s", certainty, test.certainties, output)
		})
	}
}

// Without /proc nothing can be found out, which is said once, and everything else works.
func TestWithoutProc(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, true, nil, "/bin/sh", "-c", `umount /proc && umount /proc; exec "$@"`, "sh",
		testproc.Build(t), "--", "/bin/sh", "-c", "tail /dev/zero; exit 6")
	events := testproc.Events(t, output)
	if code != 6 || len(events) != 1 || events[0].String("event") != "unsupported" {
		t.Errorf("exit code %d, %v", code, events)
	}
	if n := cgroup.Kills(t); n != 1 {
		t.Errorf("the kernel counted %d kills", n)
	}
}
