package reliability

import (
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// What containers take away. A signal that PID 1 gets is forwarded, the kill of a worker is reported with certainty, and the
// exit code is right.
func TestLessThanUsual(t *testing.T) {
	if _, err := exec.LookPath("setpriv"); err != nil {
		testproc.Require(t, "cgroup", err)
	}
	const readOnly = `mount -o remount,bind,ro / && mount -o remount,bind,ro /proc && mount -o remount,bind,ro /sys && ! touch /here 2>/dev/null || exit 96`
	for name, before := range map[string]string{
		"control":              "",
		"read-only":            readOnly,
		"a uid without a name": `set -- setpriv --reuid 54321 --regid 54321 --clear-groups "$@"`,
		"no capabilities":      `set -- setpriv --inh-caps -all --bounding-set -all "$@"`,
		"no new privileges":    `set -- setpriv --no-new-privs "$@"`,
		"all of it":            readOnly + "\n" + `set -- setpriv --reuid 54321 --regid 54321 --clear-groups --inh-caps -all --bounding-set -all --no-new-privs "$@"`,
	} {
		t.Run(name, func(t *testing.T) {
			memory := testcgroup.New(t, 64<<20)
			r := box{memory: memory, before: before}.start(t, shell(t, `trap 'exit 0' TERM; tail /dev/zero; echo ready; while :; do :; done`)...)
			r.await("ready")
			r.signal(unix.SIGTERM)
			code, out := r.end()
			got := kills(t, out)
			if n := memory.Kills(t); code != 137 || n == 0 || len(got) != n || got[0].String("certainty") != "certain" {
				t.Errorf("exit code %d, %d counted, events %v, %q", code, n, got, r.errs.String())
			}
		})
	}
}

// Without /proc, kills are not found out; everything else works.
func TestNoProc(t *testing.T) {
	r := box{before: "umount /proc && umount /proc || exit 96"}.start(t, shell(t, `trap 'exit 7' TERM; (:&); echo ready; while :; do :; done`)...)
	r.await("ready")
	r.signal(unix.SIGTERM)
	code, out := r.end()
	if events := testproc.Events(t, out); code != 7 || len(events) != 1 || events[0].String("event") != "unsupported" {
		t.Errorf("exit code %d, %v, %q", code, events, r.errs.String())
	}
}
