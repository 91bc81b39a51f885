package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
)

// shown returns the indented lines of a page that begin with a program's name.
func shown(t *testing.T, page string, programs ...string) (lines []string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		for _, program := range programs {
			if command, found := strings.CutPrefix(line, "    "+program+" "); found {
				lines = append(lines, program+" "+strings.TrimSpace(command))
			}
		}
	}
	return lines
}

// kubectl is a cluster of one container: what the pages show of ours behind it is what counts.
const kubectl = `kubectl() {
	case $1 in
	exec) shift; pod=$1; shift 2; docker exec "$pod" "$@" ;;
	logs) docker logs "$2" ;;
	esac
}
`

// The commands that the pages show for a container of the reader's, run as they stand there but for its name.
func TestPages(t *testing.T) {
	base := newImage(t)
	directory := t.TempDir()
	built := filepath.Dir(testproc.Build(t))
	for _, name := range []string{"oominit", "oominit-inspect"} {
		program, err := os.ReadFile(filepath.Join(built, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(directory, name), program, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	dockerfile := "FROM " + base + "\nCOPY oominit oominit-inspect /usr/bin/\n" + `ENTRYPOINT ["/usr/bin/oominit", "--"]` + "\n"
	if err := os.WriteFile(filepath.Join(directory, "Dockerfile"), []byte(dockerfile), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("DOCKER_BUILDKIT", "0") // the engine's own builder is there without a plug-in
	image := "oominit-pages-" + strconv.Itoa(os.Getpid())
	mustDocker(t, "build", "-q", "--network", "none", "--force-rm", "-t", image, directory)
	t.Cleanup(func() { cleanDocker(t, "rmi", image) })
	id := mustDocker(t, "run", "-d", "--network", "none", "--memory", "64m", "--memory-swap", "64m", "--env", "OOMINIT_LOG_LEVEL=info", image,
		"sh", "-c", "tail /dev/zero; exec sleep 1000")
	t.Cleanup(func() { cleanDocker(t, "rm", "-f", id) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := testproc.Poll(ctx, func() bool { return strings.Contains(mustDocker(t, "logs", id), `"oom_kill"`) }); err != nil {
		t.Fatal(err)
	}

	for page, test := range map[string]struct {
		commands int
		says     string
	}{
		"README.md":       {1, "tail was OOM-killed"},
		"docs/explain.md": {2, "tail was OOM-killed"},
		"docs/check.md":   {3, "OOM kills are counted"},
	} {
		lines := shown(t, page, "docker logs", "docker run", "docker exec", "kubectl logs", "kubectl exec")
		if len(lines) != test.commands {
			t.Errorf("%s shows %q", page, lines)
		}
		for _, line := range lines {
			t.Run(line, func(t *testing.T) {
				line := strings.NewReplacer("my-container", id, "my-pod", id, "CONTAINER", id, "POD", id, "IMAGE", image,
					"docker run ", "docker run --network none ", " --previous", "").Replace(line)
				cmd := exec.CommandContext(ctx, "bash", "-c", kubectl+"set -o pipefail; "+line)
				cmd.Env = append(os.Environ(), "PATH="+built+":"+os.Getenv("PATH"))
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), test.says) {
					t.Errorf("%s: %v\n%s", line, err, out)
				}
			})
		}
	}
}
