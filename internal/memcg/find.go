package memcg

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// Version is the version of the cgroup hierarchy that holds the memory controller.
type Version int

// The two versions. A hybrid system counts as V1 when its memory controller is on v1, whatever else is on v2.
const (
	V1 Version = 1
	V2 Version = 2
)

// ErrUnsupported is wrapped by every error of Find and Open that means: there are no counters of OOM kills to be read
// here. Its text says why, for a person.
var ErrUnsupported = errors.New("OOM kills cannot be counted here")

// Location says where the files of a memory cgroup are.
type Location struct {
	Version Version
	// Path is the cgroup of this process as /proc/self/cgroup names it, relative to the cgroup namespace's root.
	Path string
	// Dir is the directory that holds the files.
	Dir string
	// LevelsUp is how many levels above the process's own cgroup Dir stands. It is above 0 where the own cgroup lacks
	// the memory controller; then processes that are none of ours may share the counters.
	LevelsUp int
}

// CountedPath returns the path of the cgroup whose kills are counted, as /proc/PID/cgroup names it: the process's own, or
// LevelsUp above it.
func (l Location) CountedPath() string {
	counted := l.Path
	for range l.LevelsUp {
		counted = path.Dir(counted)
	}
	return counted
}

// eventsFile is the file whose oom_kill line counts the kills.
func (v Version) eventsFile() string {
	if v == V1 {
		return "memory.oom_control"
	}
	return "memory.events"
}

// Find locates the memory cgroup of this process through proc/self/cgroup and proc/self/mountinfo below root, which is
// "/" except in tests. Mount points are taken below root too. Errors wrap ErrUnsupported.
func Find(root string) (Location, error) {
	membership, err := readFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return Location{}, fmt.Errorf("%w: cannot read the own cgroup: %w", ErrUnsupported, err)
	}
	mountinfo, err := readFile(path.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return Location{}, fmt.Errorf("%w: cannot read the mounts: %w", ErrUnsupported, err)
	}
	return locate(membership, mountinfo, func(file string) bool {
		// Faccessat with the effective ids, since it is a read that will follow.
		return unix.Faccessat(unix.AT_FDCWD, path.Join(root, file), unix.R_OK, unix.AT_EACCESS) == nil
	})
}

// locate is Find on texts: membership as of /proc/self/cgroup, mountinfo as of /proc/self/mountinfo, readable as the
// answer whether a file can be read.
func locate(membership, mountinfo []byte, readable func(file string) bool) (Location, error) {
	v1Paths, v2Path, err := cgroups.ParseCgroupFromReaderUnified(bytes.NewReader(membership))
	if err != nil {
		return Location{}, fmt.Errorf("%w: cannot parse /proc/self/cgroup: %w", ErrUnsupported, err)
	}
	location := Location{Version: V2, Path: v2Path}
	if v1Path, ok := v1Paths["memory"]; ok {
		location = Location{Version: V1, Path: v1Path}
	} else if v2Path == "" {
		return Location{}, fmt.Errorf("%w: /proc/self/cgroup names neither a v1 memory cgroup nor a v2 one", ErrUnsupported)
	}
	// The kernel appends this to the path of a cgroup that was removed under its last process.
	location.Path = strings.TrimSuffix(location.Path, " (deleted)")

	mounted := false
	// Last first: of two mounts on one point the later hides the earlier.
	mounts := parseMountinfo(mountinfo)
	for i := len(mounts) - 1; i >= 0; i-- {
		m := mounts[i]
		if (location.Version == V1) != (m.fsType == "cgroup") || (location.Version == V1 && !m.hasOption("memory")) {
			continue
		}
		mounted = true
		below, ok := m.within(location.Path)
		if !ok {
			continue
		}
		found := location
		for {
			found.Dir = m.point + below
			if readable(path.Join(found.Dir, location.Version.eventsFile())) {
				return found, nil
			}
			// v1 charges the own cgroup always; only v2 leaves a cgroup to an ancestor with the controller.
			if below == "" || location.Version == V1 {
				break
			}
			below = below[:strings.LastIndexByte(below, '/')]
			found.LevelsUp++
		}
	}
	if !mounted {
		return Location{}, fmt.Errorf("%w: no cgroup %s file system with the memory controller is mounted in this container",
			ErrUnsupported, location.Version)
	}
	return Location{}, fmt.Errorf("%w: %s of the cgroup %q is not visible through any mount in this container",
		ErrUnsupported, location.Version.eventsFile(), location.Path)
}

// String returns "v1" or "v2".
func (v Version) String() string { return fmt.Sprintf("v%d", int(v)) }
