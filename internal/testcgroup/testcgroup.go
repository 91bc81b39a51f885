// Package testcgroup makes memory cgroups for the tests and reads their counters with containerd's packages: the witness
// against which the counters that oominit reads by itself are held. It is apart from testproc, whose programs run where
// memory is short.
package testcgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/oominit/oominit/internal/testproc"
)

// V1Mount is where the hierarchy of the memory controller is mounted.
const V1Mount = "/sys/fs/cgroup/memory"

// Cgroup is a memory cgroup on v1.
type Cgroup struct {
	// Dir is the directory of its files.
	Dir     string
	control cgroup1.Cgroup
}

// New makes a memory cgroup with a limit in bytes, below the one of this process, that the test's end removes. Where the
// kernel counts swap, there is none beside the memory. Without a v1 memory controller or root, the test is skipped.
func New(t testing.TB, limit int64) *Cgroup {
	t.Helper()
	if os.Geteuid() != 0 {
		testproc.Require(t, "cgroup", errors.New("memory cgroups take root"))
	}
	if cgroups.Mode() == cgroups.Unified || cgroups.Mode() == cgroups.Unavailable {
		testproc.Require(t, "cgroup", errors.New("the memory controller is not on cgroup v1"))
	}
	own, err := ownPath()
	testproc.Require(t, "cgroup", err)
	name := path.Join(own, fmt.Sprintf("oominit-test-%d-%d", os.Getpid(), time.Now().UnixNano()))
	resources := specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limit, Swap: &limit}}
	control, err := cgroup1.New(cgroup1.StaticPath(name), &resources, cgroup1.WithHierarchy(memoryOnly))
	if err != nil {
		resources.Memory.Swap = nil // this kernel does not count it
		control, err = cgroup1.New(cgroup1.StaticPath(name), &resources, cgroup1.WithHierarchy(memoryOnly))
	}
	if err != nil {
		testproc.Require(t, "cgroup", fmt.Errorf("no memory cgroup can be made: %w", err))
	}
	c := &Cgroup{Dir: filepath.Join(V1Mount, name), control: control}
	t.Cleanup(func() { c.remove(t) })
	return c
}

// Load returns the memory cgroup by its path in the hierarchy, as an engine has made it.
func Load(t testing.TB, name string) *Cgroup {
	t.Helper()
	control, err := cgroup1.Load(cgroup1.StaticPath(name), cgroup1.WithHierarchy(memoryOnly))
	if err != nil {
		t.Fatal(err)
	}
	return &Cgroup{Dir: filepath.Join(V1Mount, name), control: control}
}

func memoryOnly() ([]cgroup1.Subsystem, error) {
	return []cgroup1.Subsystem{cgroup1.NewMemory(filepath.Dir(V1Mount), cgroup1.OptionalSwap())}, nil
}

// ownPath is the path of this process's memory cgroup in the hierarchy as it is mounted here.
func ownPath() (string, error) {
	paths, err := cgroup1.ParseCgroupFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	own, found := paths["memory"]
	if !found {
		return "", errors.New("/proc/self/cgroup has no memory line")
	}
	if _, err := os.Stat(filepath.Join(V1Mount, own)); errors.Is(err, os.ErrNotExist) {
		own = "/" // a container sees its own cgroup as the root
	}
	return own, nil
}

// Isolate moves this process into a memory cgroup of its own, below the one that it is in, and returns what removes it once
// everybody else has left. Other tests have the kernel kill in cgroups below ours, which an oominit that is started in ours
// would count. Where no cgroup can be made it does nothing: then nobody else can either.
func Isolate() (undo func()) {
	own, err := ownPath()
	parent := filepath.Join(V1Mount, own)
	dir := filepath.Join(parent, fmt.Sprintf("oominit-isolated-%d", os.Getpid()))
	if err != nil || os.Mkdir(dir, 0o755) != nil {
		return func() {}
	}
	move := func(to string) {
		_ = os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte("0"), 0) // a test that it matters to will tell
	}
	move(dir)
	return func() {
		move(parent)
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		// A child may still be on its way out; what is left then is an empty cgroup.
		_ = testproc.Poll(ctx, func() bool { return os.Remove(dir) == nil })
	}
}

// Kills is what the kernel counted in the cgroup.
func (c *Cgroup) Kills(t testing.TB) int {
	t.Helper()
	kills, err := c.CountedKills()
	if err != nil {
		t.Fatal(err)
	}
	return kills
}

// CountedKills is Kills for a cgroup that may be gone, which is an error.
func (c *Cgroup) CountedKills() (int, error) {
	metrics, err := c.control.Stat()
	if err != nil {
		return 0, err
	}
	control := metrics.GetMemoryOomControl()
	if control == nil {
		return 0, fmt.Errorf("%s does not count OOM kills", c.Dir)
	}
	return int(control.GetOomKill()), nil
}

// Usage is the memory that is charged to the cgroup, in bytes.
func (c *Cgroup) Usage(t testing.TB) uint64 {
	t.Helper()
	metrics, err := c.control.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return metrics.GetMemory().GetUsage().GetUsage()
}

// remove waits until the last process has left.
func (c *Cgroup) remove(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var err error
	gone := func() bool {
		err = os.Remove(c.Dir)
		return err == nil || errors.Is(err, os.ErrNotExist)
	}
	if testproc.Poll(ctx, gone) != nil {
		t.Errorf("cannot remove the cgroup: %v", err)
	}
}
