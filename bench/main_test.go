package main

import (
	"errors"
	"os"
	"testing"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m, testcgroup.Isolate) }

// A short run of what takes no memory cgroup, beside the peers that are installed.
func TestRun(t *testing.T) {
	if os.Geteuid() != 0 {
		testproc.Require(t, "cgroup", errors.New("the bench takes root"))
	}
	t.Setenv("OOMINIT_REQUIRE", os.Getenv("OOMINIT_REQUIRE")) // put back at the end
	if err := run(testproc.Build(t), 2, "size,start,exec"); err != nil {
		t.Error(err)
	}
	if err := run("/nonexistent", 2, "size"); err == nil {
		t.Error("a binary that is not there was measured")
	}
	if err := run(testproc.Build(t), 2, "sise"); err == nil {
		t.Error("an unknown measurement was taken for none")
	}
}
