package proctrack

import (
	"bytes"
	"strings"
)

// membership is the memory cgroup whose kills are counted. Not every process that can be seen is in it, and not every
// process in it descends from us: a pid namespace may be shared with other containers, and a session that is entered
// from outside has a parent that we cannot see.
type membership struct {
	known bool
	v1    bool
	path  string
}

// SetCgroup names the memory cgroup whose kills are counted, as /proc/self/cgroup does.
func (t *Tracker) SetCgroup(v1 bool, path string) {
	if t != nil {
		t.cgroup = membership{true, v1, path}
	}
}

// shares reports whether the process is in the memory cgroup or below it, and whether that could be told.
func (t *Tracker) shares(pid int) (shares, known bool) {
	if !t.cgroup.known {
		return false, false
	}
	n, found := t.proc.read(pid, "/cgroup")
	if found != present {
		return false, false
	}
	path, ok := memoryPath(t.proc.buffer[:n], t.cgroup.v1)
	return ok && t.cgroup.holds(path), ok
}

func (m membership) holds(path string) bool {
	if path == "/.." || strings.HasPrefix(path, "/../") {
		return false // outside of our cgroup namespace (cgroup_namespaces(7))
	}
	below, ok := strings.CutPrefix(path, strings.TrimSuffix(m.path, "/"))
	return ok && (below == "" || below[0] == '/')
}

// memoryPath returns the path of the memory cgroup in the text of /proc/PID/cgroup (cgroups(7)): lines of the form
// ID:CONTROLLERS:PATH, where v2's has the id 0 and no controllers.
func memoryPath(text []byte, v1 bool) (path string, ok bool) {
	for line := range bytes.Lines(text) {
		id, rest, _ := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(":"))
		controllers, p, found := bytes.Cut(rest, []byte(":"))
		if !found {
			continue
		}
		if !v1 && string(id) == "0" && len(controllers) == 0 {
			return string(p), true
		}
		for c := range bytes.SplitSeq(controllers, []byte(",")) {
			if v1 && string(c) == "memory" {
				return string(p), true
			}
		}
	}
	return "", false
}
