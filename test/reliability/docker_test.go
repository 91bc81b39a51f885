package reliability

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

func docker(t *testing.T, stdin []byte, arguments ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), timeLimit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", arguments...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("docker %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

func mustDocker(t *testing.T, stdin []byte, arguments ...string) string {
	t.Helper()
	out, err := docker(t, stdin, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// image is a container that holds oominit, and the helpers as its program.
func image(t *testing.T) string {
	t.Helper()
	var text bytes.Buffer
	archive := tar.NewWriter(&text)
	for name, file := range map[string]string{"oominit": testproc.Build(t), "actor": testproc.BuildActor(t)} {
		content := readFile(t, file)
		if err := archive.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("oominit-reliability:%d-%d", os.Getpid(), time.Now().UnixNano())
	mustDocker(t, text.Bytes(), "import", "-", name)
	t.Cleanup(func() {
		if _, err := docker(t, nil, "rmi", name); err != nil {
			t.Error(err)
		}
	})
	return name
}

func engineMissing(t *testing.T) error {
	if os.Geteuid() != 0 {
		return errors.New("the kernel's counters are read as root")
	}
	if _, err := exec.LookPath("docker"); err != nil {
		return err
	}
	if _, err := docker(t, nil, "info"); err != nil {
		return errors.New("no engine answers docker info")
	}
	if _, err := os.Stat(filepath.Join(testcgroup.V1Mount, "memory.oom_control")); err != nil {
		return errors.New("the memory controller is not on cgroup v1")
	}
	return nil
}

// The engine's default seccomp profile leaves what we need: a worker's kill is certain, with it and without.
func TestSeccomp(t *testing.T) {
	testproc.Require(t, "docker", engineMissing(t))
	name := image(t)
	for profile, test := range map[string]struct {
		options []string
		mode    string
	}{
		"default":    {nil, "2"},
		"unconfined": {[]string{"--security-opt", "seccomp=unconfined"}, "0"},
	} {
		t.Run(profile, func(t *testing.T) {
			arguments := append([]string{"run", "-d", "--network", "none", "--memory", "64m", "--memory-swap", "64m",
				"--env", testproc.HelperVariable + "=waiter", "--entrypoint", "/oominit"}, test.options...)
			id := mustDocker(t, nil, append(arguments, name, "--", "/actor")...)
			t.Cleanup(func() {
				if _, err := docker(t, nil, "rm", "-f", id); err != nil {
					t.Error(err)
				}
			})
			cgroup := testcgroup.Load(t, "/docker/"+id)
			until(t, "the kernel kills", func() bool { return cgroup.Kills(t) > 0 })
			pid := mustDocker(t, nil, "inspect", "-f", "{{.State.Pid}}", id)
			if status := readFile(t, "/proc/"+pid+"/status"); !strings.Contains(status, "\nSeccomp:\t"+test.mode+"\n") {
				t.Errorf("the profile is not what it should be: this test proves nothing\n%s", status)
			}
			counted := cgroup.Kills(t)
			mustDocker(t, nil, "stop", "-t", "20", id)
			code, got := mustDocker(t, nil, "inspect", "-f", "{{.State.ExitCode}}", id), kills(t, mustDocker(t, nil, "logs", id))
			if code != "137" || len(got) != counted || got[0].String("certainty") != "certain" {
				t.Errorf("exit code %s, %d counted, events %v", code, counted, got)
			} else {
				t.Logf("%s, %v", got[0].String("certainty"), got[0]["evidence"])
			}
		})
	}
}
