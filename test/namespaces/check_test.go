package namespaces

import (
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// The check runs as PID 1 in a container's view of a real cgroup.
func TestCheck(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, true, nil, testproc.Build(t), "check", "--json")
	r := testproc.Event(testproc.Valid(t, "check.schema.json", output))
	if code != 0 || r.String("result") != "certain" || r.Number("facts", "init", "pid") != 1 || r.Number("facts", "memory", "limit_bytes") != 64<<20 ||
		r.String("facts", "cgroup", "directory") != testcgroup.V1Mount || r.String("facts", "counters", "woken_by") != "timer" {
		t.Errorf("exit code %d, %s", code, output)
	}
	if kills := cgroup.Kills(t); kills != 0 {
		t.Errorf("%d OOM kills by a check", kills)
	}
	code, output = inNamespaces(t, cgroup, true, nil, testproc.Build(t), "check", "--color=never", "--", "true")
	if code != 0 || !strings.Contains(output, "the container's own limit is 64.0 MiB") || !strings.Contains(output, "command         true") {
		t.Errorf("exit code %d, %s", code, output)
	}
}

// The program that names PID 1 goes by what it is, not by what it is called.
func TestCheckKnowsItself(t *testing.T) {
	cgroup := testcgroup.New(t, 64<<20)
	code, output := inNamespaces(t, cgroup, true, nil, "/bin/sh", "-c",
		`mount -t tmpfs none /mnt && cp "$0" /mnt/podman-init && exec /mnt/podman-init -- "$0" check --json`, testproc.Build(t))
	r := testproc.Event(testproc.Valid(t, "check.schema.json", output))
	if code != 0 || r.String("facts", "init", "pid1_name") != "podman-init" || !strings.Contains(output, `"pid1_is_oominit":true`) {
		t.Errorf("exit code %d, %s", code, output)
	}
}
