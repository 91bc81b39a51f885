// Package testproc supports the tests that run the real binary.
package testproc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// directories are those that removeBuilt has to remove.
var directories struct {
	sync.Mutex
	names []string
}

// builder returns a function that makes a program of this module once, with the command for a file name.
func builder(name string, command func(file string) []string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "oominit-test-")
		if err != nil {
			return "", err
		}
		directories.Lock()
		directories.names = append(directories.names, dir)
		directories.Unlock()
		// Everybody may execute it: some tests give up root.
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", err
		}
		root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
		if err != nil {
			return "", fmt.Errorf("cannot find the root of the module: %w", err)
		}
		file := filepath.Join(dir, name)
		arguments := command(file)
		cmd := exec.Command(arguments[0], arguments[1:]...)
		cmd.Dir = strings.TrimSpace(string(root))
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "MAKEFLAGS=")
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("cannot build %s: %w: %s", name, err, output)
		}
		return file, nil
	})
}

// goBuild is the command that makes a static program of one of this module's packages.
func goBuild(pkg string) func(file string) []string {
	return func(file string) []string {
		return []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, pkg}
	}
}

var (
	// As everybody else builds it.
	buildInit    = builder("oominit", func(file string) []string { return []string{"make", "build", "BIN=" + file} })
	buildActor   = builder("actor", goBuild("./internal/testproc/actor"))
	buildScene   = builder("scene", goBuild("./test/trials/scene"))
	buildWitness = builder("witness", goBuild("./internal/testcgroup/witness"))
)

// Build returns the path of the static, stripped binary, which is built once for each test binary.
func Build(t testing.TB) string {
	t.Helper()
	return built(t, buildInit)
}

// BuildActor returns the path of the helpers as a static program.
func BuildActor(t testing.TB) string {
	t.Helper()
	return built(t, buildActor)
}

// BuildWitness returns the path of the program that reads the counters of a cgroup v2 with containerd's package.
func BuildWitness(t testing.TB) string {
	t.Helper()
	return built(t, buildWitness)
}

// BuildScene returns the path of the program that the trials run in their containers.
func BuildScene(t testing.TB) string {
	t.Helper()
	return built(t, buildScene)
}

func built(t testing.TB, build func() (string, error)) string {
	t.Helper()
	file, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// removeBuilt removes what was built. A leftover in the temporary directory is no reason to fail.
func removeBuilt() {
	directories.Lock()
	defer directories.Unlock()
	for _, dir := range directories.names {
		_ = os.RemoveAll(dir)
	}
	directories.names = nil
}

// Require skips the test because of the reason, or fails it if OOMINIT_REQUIRE lists what. A nil reason does nothing. The
// reason goes to stderr too, where a run without -v shows it.
func Require(t testing.TB, what string, reason error) {
	t.Helper()
	if reason == nil {
		return
	}
	if slices.Contains(strings.Split(os.Getenv("OOMINIT_REQUIRE"), ","), what) {
		t.Fatalf("%s is required: %v", what, reason)
	}
	fmt.Fprintf(os.Stderr, "%s skipped: %s: %v\n", t.Name(), what, reason)
	t.Skipf("%s: %v", what, reason)
}
