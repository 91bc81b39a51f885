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

// built are the directories that removeBuilt has to remove.
var built struct {
	sync.Mutex
	dirs []string
}

// builder returns a function that makes a program of this module once, with the command for a file name.
func builder(name string, command func(file string) []string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "oominit-test-")
		if err != nil {
			return "", err
		}
		built.Lock()
		built.dirs = append(built.dirs, dir)
		built.Unlock()
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

var (
	// As everybody else builds it.
	buildInit  = builder("oominit", func(file string) []string { return []string{"make", "build", "BIN=" + file} })
	buildActor = builder("actor", func(file string) []string {
		return []string{"go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "./internal/testproc/actor"}
	})
)

// Build returns the path of the static, stripped binary, which is built once for each test binary.
func Build(t testing.TB) string {
	t.Helper()
	file, err := buildInit()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// BuildActor returns the path of the helpers as a static program, which is built once for each test binary.
func BuildActor(t testing.TB) string {
	t.Helper()
	file, err := buildActor()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// removeBuilt removes what was built. A leftover in the temporary directory is no reason to fail.
func removeBuilt() {
	built.Lock()
	defer built.Unlock()
	for _, dir := range built.dirs {
		_ = os.RemoveAll(dir)
	}
	built.dirs = nil
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
