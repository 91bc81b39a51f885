// Package memcg finds the memory cgroup that this process runs in and reads its counters of OOM kills.
//
// It knows cgroup v1, v2 and the hybrid of both, with and without a cgroup namespace. It decides nothing: it answers
// where the files are, what they say, and how to be told that they changed. The rules are those of cgroups(7),
// cgroup_namespaces(7) and of Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst of Linux 6.18.
package memcg
