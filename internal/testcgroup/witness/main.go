// Command witness prints how many OOM kills a cgroup v2 has counted, as containerd's package reads it. Its argument is the
// path of the cgroup in the hierarchy.
package main

import (
	"fmt"
	"os"

	"github.com/containerd/cgroups/v3/cgroup2"
)

func main() {
	if len(os.Args) != 2 {
		fail("usage: witness PATH")
	}
	manager, err := cgroup2.Load(os.Args[1])
	if err != nil {
		fail(err)
	}
	metrics, err := manager.Stat()
	if err != nil {
		fail(err)
	}
	if metrics.GetMemoryEvents() == nil {
		fail("no memory.events")
	}
	fmt.Println(metrics.GetMemoryEvents().GetOomKill())
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, "witness:", reason)
	os.Exit(1)
}
