package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/testproc"
)

// leaf is a container's command whose worker is OOM-killed, and which ends with 0.
var leaf = []string{"/bin/sh", "-c", "tail /dev/zero; exit 0"}

// initAs returns the binary under a name that it is called by.
func initAs(t *testing.T, name string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.Link(testproc.Build(t), file); err != nil {
		if err := os.Symlink(testproc.Build(t), file); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

// engine is a Docker engine of the test's own.
type engine struct{ host string }

// startEngine starts one with its own init, without a network, and ends it at the test's end.
func startEngine(t *testing.T, arguments ...string) engine {
	t.Helper()
	program, err := exec.LookPath("dockerd")
	testproc.Require(t, "docker", err)
	dir, err := os.MkdirTemp("", "oominit-engine-") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	e := engine{"unix://" + dir + "/socket"}
	log, err := os.Create(dir + "/log")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{
		"--data-root", dir + "/data", "--exec-root", dir + "/exec", "--pidfile", dir + "/pid", "-H", e.host,
		"--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false",
	}, arguments...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		testproc.Require(t, "docker", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(unix.SIGTERM)
		kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the engine's last words:\n%s", text[max(0, len(text)-3000):])
		}
		// What an engine mounts for itself it leaves mounted.
		_ = exec.Command("sh", "-c", `grep -o "$0/[^ ]*" /proc/self/mounts | sort -r | xargs -r -n1 umount -l`, dir).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	if err := testproc.Poll(ctx, func() bool { _, err := docker(ctx, "-H", e.host, "info"); return err == nil }); err != nil {
		text, _ := os.ReadFile(log.Name())
		testproc.Require(t, "docker", fmt.Errorf("a second dockerd does not answer: %w: %s", err, text[max(0, len(text)-300):]))
	}
	return e
}

func (e engine) must(t *testing.T, arguments ...string) string {
	t.Helper()
	return mustDocker(t, append([]string{"-H", e.host}, arguments...)...)
}

// An engine whose --init is oominit: of an image and a command line that know nothing of it, a worker's OOM kill is told, and
// is no success.
func TestEngineInit(t *testing.T) {
	testproc.Require(t, "docker", dockerReason())
	file, err := debian()
	testproc.Require(t, "docker", err)
	ours := startEngine(t, "--init-path", initAs(t, "docker-init"))
	ours.must(t, "import", file, "debian")

	// Docker and podman read the words "tini version" from docker-init --version.
	const version = `{{range .Server.Components}}{{if eq .Name "docker-init"}}{{.Version}}{{end}}{{end}}`
	if got := ours.must(t, "version", "--format", version); !strings.HasPrefix(got, "0.19.0 (oominit") {
		t.Errorf("docker version says of the init: %q", got)
	}
	if got := ours.must(t, "info", "--format", "{{.InitBinary}}"); !strings.HasSuffix(got, "/docker-init") {
		t.Errorf("docker info says of the init: %q", got)
	}
	run := func(init ...string) (code int, stdout, stderr string) {
		arguments := append([]string{"-H", ours.host, "run", "--rm", "--network", "none", "--memory", "64m", "--memory-swap", "64m"}, init...)
		return runs(t, exec.Command("docker", append(arguments, leaf...)...))
	}
	if code, _, stderr := run("debian"); code != 0 {
		t.Errorf("without an init: exit code %d, %q: this test proves nothing", code, stderr)
	}
	tini, err := exec.LookPath("tini")
	testproc.Require(t, "peers", err)
	if code, _, stderr := run("-v", tini+":/tini:ro", "--entrypoint", "/tini", "debian", "--"); code != 0 {
		t.Errorf("tini: exit code %d, %q", code, stderr)
	}
	code, stdout, stderr := run("--init", "debian")
	if kills := named(events(t, stderr), "oom_kill"); code != 137 || stdout != "" || len(kills) != 1 || kills[0].Process.Executable.Name != "tail" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}

	t.Run("swarm", func(t *testing.T) { swarm(t, ours) })
}

// runs returns the exit code of a program and what it printed, within a minute.
func runs(t *testing.T, cmd *exec.Cmd) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	_ = cmd.Wait() // the exit code says it
	if !kill.Stop() {
		t.Fatalf("%q did not end in time", cmd.Args)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// A service that is restarted on failure: with oominit a worker's OOM kill is one.
func swarm(t *testing.T, e engine) {
	// It is made by the first service, has the same name in all engines, and is not taken away again.
	const bridge = "docker_gwbridge"
	if _, err := os.Stat("/sys/class/net/" + bridge); err == nil {
		testproc.Require(t, "swarm", errors.New("another engine of this machine is or was in a swarm: it has a "+bridge))
	}
	e.must(t, "swarm", "init", "--advertise-addr", "127.0.0.1", "--listen-addr", "127.0.0.1:0")
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := docker(ctx, "-H", e.host, "swarm", "leave", "--force"); err != nil {
			t.Error(err)
		}
		if _, err := docker(ctx, "-H", e.host, "network", "rm", bridge); err != nil {
			t.Error(err)
		}
	})
	for name, init := range map[string]string{"with": "--init", "without": "--init=false"} {
		e.must(t, append([]string{
			"service", "create", "-d", "--name", name, init, "--network", "host", "--limit-memory", "64m",
			"--restart-condition", "on-failure", "--restart-delay", "1s", "debian",
		}, leaf...)...)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
	defer cancel()
	tasks := func(name string) string {
		out, _ := docker(ctx, "-H", e.host, "service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", name)
		return out
	}
	if err := testproc.Poll(ctx, func() bool { return strings.Contains(tasks("without"), "Complete") }); err != nil {
		t.Errorf("without oominit: %q", tasks("without"))
	}
	if err := testproc.Poll(ctx, func() bool { return strings.Count(tasks("with"), "137") >= 2 }); err != nil {
		t.Errorf("with oominit: %q", tasks("with"))
	}
	if got := tasks("without"); strings.Count(got, "\n") != 1 {
		t.Errorf("without oominit a task is scheduled again: %q", got)
	}
}

// podman mounts its init as /run/podman-init, whatever it is called.
func TestPodmanInit(t *testing.T) {
	testproc.Require(t, "docker", dockerReason()) // for the tree
	_, err := exec.LookPath("podman")
	testproc.Require(t, "podman", err)
	file, err := debian()
	testproc.Require(t, "docker", err)
	dir, err := os.MkdirTemp("", "oominit-podman-")
	if err != nil {
		t.Fatal(err)
	}
	base := []string{
		"--root", dir + "/root", "--runroot", dir + "/run", "--tmpdir", dir + "/tmp", "--runtime", "runc", "--cgroup-manager=cgroupfs",
		"--events-backend=none",
	}
	podman := func(arguments ...string) (int, string, string) {
		cmd := exec.Command("podman", append(append([]string(nil), base...), arguments...)...)
		cmd.Dir = dir // conmon leaves a file "oom" where it is started
		return runs(t, cmd)
	}
	t.Cleanup(func() {
		podman("rmi", "-af")
		_ = exec.Command("sh", "-c", `grep -o "$0/[^ ]*" /proc/self/mounts | sort -r | xargs -r -n1 umount -l`, dir).Run()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if code, _, stderr := podman("import", file, "debian"); code != 0 {
		testproc.Require(t, "podman", errors.New(stderr))
	}
	run := func(init ...string) (int, string, string) {
		arguments := append([]string{
			"run", "--rm", "--network", "none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096",
			"--memory", "64m", "--memory-swap", "64m",
		}, init...)
		return podman(append(append(arguments, "debian"), leaf...)...)
	}
	catatonit, err := exec.LookPath("catatonit")
	testproc.Require(t, "peers", err)
	if code, _, stderr := run("--init", "--init-path", catatonit); code != 0 {
		testproc.Require(t, "podman", fmt.Errorf("a container with catatonit ends with %d: %s", code, stderr))
	}
	code, stdout, stderr := run("--init", "--init-path", initAs(t, "podman-init"))
	if kills := named(events(t, stderr), "oom_kill"); code != 137 || stdout != "" || len(kills) != 1 || kills[0].Process.Executable.Name != "tail" {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}
