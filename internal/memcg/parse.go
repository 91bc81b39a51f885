package memcg

import (
	"bytes"
	"math"
)

// Counters are the event counts of a memory cgroup. All of them only ever grow while the cgroup exists.
type Counters struct {
	// OOMKill counts the processes of this cgroup (v2: and of those below it) that the OOM killer took, whichever
	// limit ran out. It is raised before the SIGKILL is sent (__oom_kill_process in mm/oom_kill.c, Linux 6.18), so
	// that a read after a death sees it.
	OOMKill uint64
	// OOM counts how often a limit, of this cgroup or of one below it, left no way out but the OOM killer; v2 only.
	OOM uint64
	// OwnOOM is the part of OOM that was this cgroup's own limit; before Linux 5.2, which does not tell them apart, all of it.
	OwnOOM uint64
	// NestedKill counts the processes that the OOM killer took in cgroups below this one since Open; v1 only, where OOMKill
	// does not include them.
	NestedKill uint64
	// LimitHit counts how often usage was about to exceed this cgroup's limit: max on v2; on v1 memory.failcnt and
	// memory.memsw.failcnt together. Recent kernels leave the latter at 0 (measured on 6.18; 6.1 counts).
	LimitHit uint64
	// OOMGroupKill counts kills of the whole cgroup because of memory.oom.group; v2, Linux 5.17.
	OOMGroupKill uint64
}

// parseEvents reads the lines `KEY VALUE` of memory.events (v2) or memory.oom_control (v1). Unknown keys are passed
// over, since kernels add to them. It reports whether the one that counts, oom_kill, was there: v1 has it since 4.13.
func parseEvents(text []byte) (counters Counters, ok bool) {
	for len(text) > 0 {
		line := text
		if end := bytes.IndexByte(text, '\n'); end >= 0 {
			line, text = text[:end], text[end+1:]
		} else {
			text = nil
		}
		blank := bytes.IndexByte(line, ' ')
		if blank < 0 {
			continue
		}
		value, valid := parseUint(line[blank+1:])
		if !valid {
			continue
		}
		switch string(line[:blank]) { // the compiler makes no copy for a switch
		case "oom_kill":
			counters.OOMKill, ok = value, true
		case "oom":
			counters.OOM = value
		case "max":
			counters.LimitHit = value
		case "oom_group_kill":
			counters.OOMGroupKill = value
		}
	}
	return counters, ok
}

// Bytes is an amount of memory. A limit that is not set is Unlimited.
type Bytes = uint64

// Unlimited stands for the absence of a limit.
const Unlimited Bytes = math.MaxUint64

// parseBytes reads the one number of files like memory.max and memory.limit_in_bytes. The word "max", and on v1 a
// value of PAGE_COUNTER_MAX pages (9223372036854771712 with pages of 4 KiB), mean Unlimited.
func parseBytes(text []byte) (Bytes, bool) {
	text = bytes.TrimSuffix(text, []byte("\n"))
	if string(text) == "max" {
		return Unlimited, true
	}
	value, ok := parseUint(text)
	if value >= math.MaxInt64-(1<<16) {
		value = Unlimited
	}
	return value, ok
}

// parseUint is strconv.ParseUint in base 10 for a byte slice, without its allocation.
func parseUint(digits []byte) (value uint64, ok bool) {
	if len(digits) == 0 || len(digits) > 20 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		digit := uint64(c - '0')
		if value > (math.MaxUint64-digit)/10 {
			return 0, false
		}
		value = value*10 + digit
	}
	return value, true
}
