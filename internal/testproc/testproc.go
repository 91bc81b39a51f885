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

// builder returns a function that builds a static program of this module once.
func builder(name, pkg string) func() (string, error) {
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
		file := filepath.Join(dir, name)
		cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", file, "github.com/oominit/oominit/"+pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("cannot build %s: %w: %s", name, err, output)
		}
		return file, nil
	})
}

var (
	buildInit  = builder("oominit", "cmd/oominit")
	buildActor = builder("actor", "internal/testproc/actor")
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
