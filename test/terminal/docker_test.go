package terminal

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

// hostImage imports an image that has nothing but the links of a merged /usr: the host's /usr is mounted into it.
func hostImage(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("docker"); err != nil {
		testproc.Require(t, "docker", err)
	}
	if exec.Command("timeout", "10", "docker", "info").Run() != nil {
		testproc.Require(t, "docker", errors.New("no engine answers docker info"))
	}
	var image bytes.Buffer
	archive := tar.NewWriter(&image)
	for _, dir := range []string{"bin", "sbin", "lib", "lib32", "lib64"} {
		if target, err := os.Readlink("/" + dir); err == nil {
			header := tar.Header{Typeflag: tar.TypeSymlink, Name: dir, Linkname: target, Mode: 0o777}
			if err := archive.WriteHeader(&header); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("oominit-terminal:%d", os.Getpid())
	load := exec.Command("timeout", "60", "docker", "import", "-", name)
	load.Stdin = &image
	if out, err := load.CombinedOutput(); err != nil {
		t.Fatalf("docker import: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("timeout", "60", "docker", "rmi", "-f", name).CombinedOutput(); err != nil {
			t.Errorf("docker rmi: %v: %s", err, out)
		}
	})
	return name
}

// docker run -it, with the terminal that the engine makes: an interactive shell, the size of the window, ^C, the exit code.
func TestDockerTerminal(t *testing.T) {
	image := hostImage(t)
	for _, group := range []string{"own", "session"} {
		t.Run(group, func(t *testing.T) {
			p := newPTY(t)
			p.resize(33, 101)
			cmd := p.start("docker", "run", "--rm", "-it", "--network", "none", "-v", "/usr:/usr:ro", "-v", testproc.Build(t)+":/oominit:ro",
				"--env", "PS1=prompt>", "--entrypoint", "/oominit", image, "--process-group="+group, "--", "/bin/sh", "-i")
			p.expect("prompt>")
			// The client tells the engine the size once the container runs.
			p.keys("until [ \"$(stty size)\" = '33 101' ]; do sleep 0.05; done; echo size''d\n")
			p.expect("sized")
			p.expect("prompt>")
			p.keys("sh -c 'trap \"stty size\" WINCH; trap \"echo in\"t\"; exit 5\" INT; echo rea\"\"dy; while :; do sleep 0.05; done'\n")
			p.expect("ready")
			p.resize(40, 90)
			p.expect("40 90")
			p.keys(ctrlC)
			p.expect("int\r\n")
			p.expect("prompt>")
			p.keys("exit 7\n")
			if code := p.wait(cmd); code != 7 {
				t.Errorf("exit code %d", code)
			}
			if text := p.all(); strings.Contains(text, "job control") {
				t.Error("the shell complains")
			}
		})
	}
}
