package namespaces

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

// writeFile makes a file in a directory of the test's own and returns its path.
func writeFile(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return file
}

func readFile(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// killed runs the script, in which the kernel kills once, and returns exit code and output.
func killed(t *testing.T, environment []string, script string) (code int, output string) {
	t.Helper()
	for range 3 { // now and then the kernel kills once more (docs/design/0008-hold-still.md)
		cgroup := testcgroup.New(t, 64<<20)
		code, output = inNamespaces(t, cgroup, true, environment, testproc.Build(t), "--", "/bin/sh", "-c", script)
		if cgroup.Kills(t) == 1 {
			return code, output
		}
	}
	t.Fatal("the kernel did not kill once")
	return 0, ""
}

// The hook gets the event, and what is chosen by processes reaches it as data.
func TestHook(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	hook := writeFile(t, "hook", "#!/bin/sh\nenv | grep ^OOMINIT_EVENT | sort >"+out+"\ncat >>"+out+"\n", 0o755)
	code, output := killed(t, []string{"OOMINIT_HOOK=" + hook, "SECRET=1"},
		`d=$(mktemp -d); cp "$(command -v tail)" "$d/\$(id);\`+"`x\\`"+`" ; "$d"/* /dev/zero; rm -r "$d"; exit 0`)
	if code != 137 {
		t.Errorf("exit code %d\n%s", code, output)
	}
	lines := strings.Split(strings.TrimSpace(readFile(t, out)), "\n")
	event := lines[len(lines)-1]
	var decoded map[string]any
	if json.Unmarshal([]byte(event), &decoded) != nil || len(testproc.Events(t, event)) != 1 {
		t.Fatalf("no event on the standard input: %q", lines)
	}
	e := testproc.Events(t, event)[0]
	for _, want := range []string{
		"OOMINIT_EVENT=oom_kill", "OOMINIT_EVENT_CERTAINTY=certain", "OOMINIT_EVENT_ROLE=leaf", "OOMINIT_EVENT_MEMORY_LIMIT_BYTES=67108864",
		"OOMINIT_EVENT_COMM=" + e.String("process", "executable", "name"),
	} {
		found := false
		for _, line := range lines {
			found = found || line == want
		}
		if !found {
			t.Errorf("the hook has no %q: %q", want, lines)
		}
	}
	if comm := e.String("process", "executable", "name"); !strings.Contains(comm, "$(id);") {
		t.Errorf("the victim is %q", comm)
	}
}

// A hook that fails is a warning, one that hangs is ended, and neither changes anything else. A stop signal does not wait for
// it.
func TestHookFails(t *testing.T) {
	for name, test := range map[string]struct{ hook, warning string }{
		"exits with 3": {"#!/bin/sh\nexit 3\n", "hook: it exited with 3"},
		"is killed":    {"#!/bin/sh\nkill -TERM $$\n", "hook: it was ended by SIGTERM"},
		"hangs":        {"#!/bin/sh\nsleep 60 & wait\n", "hook: it was killed after 5s"},
		"no program":   {"", "cannot execute"},
	} {
		t.Run(name, func(t *testing.T) {
			hook := "/nonexistent/hook"
			if test.hook != "" {
				hook = writeFile(t, "hook", test.hook, 0o755)
			}
			code, output := killed(t, []string{"OOMINIT_HOOK=" + hook}, "tail /dev/zero; exit 0")
			warnings := testproc.Named(testproc.Events(t, output), "warning")
			if code != 137 || len(warnings) != 1 || !strings.Contains(warnings[0].String("message"), test.warning) {
				t.Errorf("exit code %d, warnings %v", code, warnings)
			}
			if n := len(testproc.Named(testproc.Events(t, output), "oom_kill")); n != 1 {
				t.Errorf("%d oom_kill events\n%s", n, output)
			}
		})
	}
	t.Run("stop", func(t *testing.T) {
		hook := writeFile(t, "hook", "#!/bin/sh\nsleep 60 & wait\n", 0o755)
		// The main child sends us the stop signal as it ends, from a process that outlives it.
		code, output := killed(t, []string{"OOMINIT_HOOK=" + hook},
			"tail /dev/zero; (while [ -e /proc/$$ ]; do :; done; while kill -TERM 1; do sleep 0.1; done) 2>/dev/null & exit 0")
		if warnings := testproc.Named(testproc.Events(t, output), "warning"); code != 137 || len(warnings) != 0 {
			t.Errorf("exit code %d, warnings %v", code, warnings)
		}
	})
}

func TestTerminationLog(t *testing.T) {
	log := writeFile(t, "termination-log", "the application's own words", 0o644)
	code, output := killed(t, []string{"OOMINIT_TERMINATION_LOG=" + log}, "tail /dev/zero; exit 0")
	text := readFile(t, log)
	if code != 137 || !strings.HasPrefix(text, "the application's own words\ntail (pid ") ||
		!strings.HasSuffix(text, "was OOM-killed; main exited with 0; exit code 137 by policy propagate") {
		t.Errorf("exit code %d, %q\n%s", code, text, output)
	}
	// The control: without a kill nothing is said.
	if err := os.WriteFile(log, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	code, _ = inNamespaces(t, testcgroup.New(t, 64<<20), true, []string{"OOMINIT_TERMINATION_LOG=" + log}, testproc.Build(t), "--", "/bin/sh", "-c", "kill -9 $$")
	if text := readFile(t, log); code != 137 || text != "" {
		t.Errorf("exit code %d, %q", code, text)
	}
}

func TestMetricsFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "oominit.prom")
	code, output := killed(t, []string{"OOMINIT_METRICS_FILE=" + file}, "tail /dev/zero; exit 0")
	text := readFile(t, file)
	for _, want := range []string{
		`oominit_oom_kills_total{comm="tail",role="leaf",certainty="certain"} 1`, "oominit_memory_limit_bytes 67108864\n",
		"oominit_reaped_processes_total ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if code != 137 {
		t.Errorf("exit code %d\n%s", code, output)
	}
	// A file that cannot be written is a warning, and no more.
	code, output = killed(t, []string{"OOMINIT_METRICS_FILE=/proc/no.prom"}, "tail /dev/zero; sleep 0.2; exit 0")
	if warnings := testproc.Named(testproc.Events(t, output), "warning"); code != 137 || len(warnings) == 0 || len(warnings) > 3 {
		t.Errorf("exit code %d, warnings %v", code, warnings)
	}
}

// The event tells how memory grew, and who held it.
func TestRecorder(t *testing.T) {
	code, output := killed(t, []string{"OOMINIT_RECORD_INTERVAL=1s"}, "head -c 20000000 /dev/zero | tail -c 20000000 | sleep 2.5; tail /dev/zero; exit 0")
	kills := testproc.Named(testproc.Events(t, output), "oom_kill")
	if code != 137 || len(kills) != 1 {
		t.Fatalf("exit code %d\n%s", code, output)
	}
	recorder, _ := kills[0]["recorder"].(map[string]any)
	samples, _ := recorder["samples"].([]any)
	largest, _ := recorder["largest"].([]any)
	if len(samples) < 2 || len(largest) == 0 {
		t.Errorf("recorder %v", recorder)
	}
}

// Rules decide who matters; each decision is an event that names its rule, and exit says which kill decided.
func TestRules(t *testing.T) {
	for name, test := range map[string]struct {
		rules, script string
		code          int
		actions       string
	}{
		"continue by name":   {"continue comm=tail", "tail /dev/zero; exit 0", 0, "continue"},
		"another name":       {"continue comm=head; kill comm=x*", "tail /dev/zero; exit 0", 137, "propagate"},
		"stop":               {"stop comm=tail role=leaf origin=tree certainty=probable limit=own", "tail /dev/zero; sleep 60", 137, "stop"},
		"by ancestor":        {"stop ancestor=nobody; continue ancestor=sh", "sh -c 'tail /dev/zero; exit 0'; exit 0", 0, "continue"},
		"by program":         {"continue exe=*/tail", "tail /dev/zero; exit 0", 0, "continue"},
		"by command line":    {`continue cmdline="tail /dev/*"`, "tail /dev/zero; exit 0", 0, "continue"},
		"the second":         {"stop count>=2 within=1m; continue", "tail /dev/zero; tail /dev/zero; sleep 60", 137, "continue stop"},
		"a signal":           {"signal:USR1 comm=tail", "trap 'exit 6' USR1; tail /dev/zero; sleep 60 & wait", 6, "continue"},
		"a SIGKILL":          {"stop cause=sigkill", "sleep 50 & sleep 0.3; kill -9 $!; sleep 60", 137, "stop"},
		"a SIGKILL, and not": {"stop cause=oom", "sleep 50 & sleep 0.3; kill -9 $!; sleep 0.1; exit 0", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			code, output := inNamespaces(t, testcgroup.New(t, 64<<20), true, []string{"OOMINIT_RULES=" + test.rules},
				testproc.Build(t), "--", "/bin/sh", "-c", test.script)
			events := testproc.Events(t, output)
			var actions []string
			for _, e := range testproc.Named(events, "policy") {
				actions = append(actions, e.String("action"))
			}
			if code != test.code || strings.Join(actions, " ") != test.actions {
				t.Errorf("exit code %d, actions %q\n%s", code, actions, output)
			}
		})
	}
}
