package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/oominit/oominit/internal/testproc"
)

// Signals are caught again before any package but the runtime's is initialized: each that comes between ends the program.
func TestCatchesBeforeOthersAreInitialized(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no entry point of ours on " + runtime.GOARCH)
	}
	cmd := exec.Command(testproc.Build(t), "--version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var trace strings.Builder
	cmd.Stderr = &trace
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	var order []string
	for line := range strings.Lines(trace.String()) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == "init" && words[1] != "runtime" && !strings.HasPrefix(words[1], "internal/") {
			order = append(order, words[1])
		}
	}
	if len(order) < 2 || order[0] != "github.com/oominit/oominit/internal/sigpipe/soon" {
		t.Errorf("initialized first: %v", order)
	}
}
