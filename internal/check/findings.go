package check

import (
	"fmt"
	"strconv"

	"github.com/oominit/oominit/internal/terminal"
)

// State is how good a finding is.
type State string

// The states.
const (
	OK       State = "ok"
	Degraded State = "degraded"
	Missing  State = "missing"
)

// Finding is one thing that was looked at.
type Finding struct {
	// Name is stable, as docs/check.schema.json lists it.
	Name  string `json:"name"`
	State State  `json:"state"`
	Text  string `json:"text"`
	// Needed says that attribution is not certain here, or oominit not whole, while the state is not ok.
	Needed bool `json:"needed"`
	Fix    *Fix `json:"fix,omitempty"`
}

// Fix says what to change. What is empty needs, or has, no change there.
type Fix struct {
	Docker     string `json:"docker,omitempty"`
	Kubernetes string `json:"kubernetes,omitempty"`
	Podman     string `json:"podman,omitempty"`
	Host       string `json:"host,omitempty"`
}

// What oominit needs: its threads, and descriptors beside those with which it watches processes.
const (
	threadsNeeded = 8
	filesNeeded   = 24
	filesPlenty   = 256
)

// Findings judges the facts. Where oomScoreAdj is not 0, the configuration asks for a command's to be raised.
func Findings(f *Facts, oomScoreAdj int) []Finding {
	all := []Finding{initFinding(f.Init), cgroupFinding(f), countersFinding(f.Counters)}
	if f.Memory != nil {
		all = append(all, limitFinding(f.Memory), usageFinding(f.Memory), swapFinding(f.Memory))
	}
	if f.Cgroup != nil {
		all = append(all, oomGroupFinding(f.Cgroup))
	}
	all = append(all, evidenceFindings(f)...)
	return append(all, oomScoreAdjFinding(f.Process, oomScoreAdj), pidsFinding(f.Process), filesFinding(f.Process), messageFinding(f.Message))
}

// Certain reports whether every finding that is needed is ok.
func Certain(findings []Finding) bool {
	for _, f := range findings {
		if f.Needed && f.State != OK {
			return false
		}
	}
	return true
}

func initFinding(i Init) Finding {
	f := Finding{Name: "init", State: OK, Needed: true}
	switch {
	case i.PID == 1:
		f.Text = "this is PID 1: oominit in its place reaps every orphan of the container"
	case i.entered() && i.IsOominit:
		f.Text = "PID 1 of the container is oominit"
	case i.entered():
		f.State = Missing
		f.Text = "PID 1 of the container is " + name(i.PID1) + ", not oominit: nobody here tells of an OOM kill, unless it has started one"
		f.Fix = &Fix{
			Docker:     `ENTRYPOINT ["/usr/bin/oominit", "--"] in the image, or --entrypoint; without --init`,
			Kubernetes: `command: ["/usr/bin/oominit", "--", …]; a command: that is there already takes the place of ENTRYPOINT`,
			Podman:     "--init --init-path /usr/bin/oominit, or --entrypoint",
		}
	case i.Subreaper:
		f.Text = fmt.Sprintf("this is pid %d below %s: oominit in its place is a subreaper, and reaps the orphans of its command but not those of sessions from outside",
			i.PID, name(i.PID1))
	default:
		f.State = Degraded
		f.Text = fmt.Sprintf("this is pid %d, and it cannot become a subreaper: orphans go to %s", i.PID, name(i.PID1))
		f.Fix = &Fix{Docker: "leave out --init, so that oominit is PID 1", Kubernetes: "shareProcessNamespace: false", Podman: "leave out --init"}
	}
	return f
}

func name(pid1 string) string {
	if pid1 == "" {
		return "a PID 1 that /proc does not show"
	}
	return strconv.Quote(pid1)
}

func cgroupFinding(facts *Facts) Finding {
	f := Finding{Name: "cgroup", State: OK, Needed: true}
	c := facts.Cgroup
	if c == nil {
		f.State, f.Text = Missing, "no memory cgroup was found"
		return f
	}
	version := "cgroup " + c.Version
	if c.Version == "hybrid" {
		version = "cgroup v1 for memory, beside a v2 hierarchy (hybrid)"
	}
	f.Text = fmt.Sprintf("%s; /proc/self/cgroup names %s, and a mount shows it at %s", version, c.Path, c.Directory)
	if c.LevelsUp > 0 {
		f.State = Degraded
		f.Text = fmt.Sprintf("%s; %s has no memory controller, and %s, %s above it, counts for others too", version, c.Path, c.Directory, levels(c.LevelsUp))
		f.Fix = &Fix{
			Docker: "rootless: let systemd delegate memory, with Delegate=memory pids in user@.service",
			Podman: "rootless: let systemd delegate memory, with Delegate=memory pids in user@.service; --cgroups=enabled",
		}
	}
	return f
}

func levels(n int) string {
	if n == 1 {
		return "1 level"
	}
	return strconv.Itoa(n) + " levels"
}

func countersFinding(c Counters) Finding {
	f := Finding{Name: "counters", State: OK, Needed: true}
	switch {
	case c.Readable && c.WokenBy == "poll":
		f.Text = "OOM kills are counted, and the kernel wakes us when one was (poll)"
	case c.Readable:
		f.Text = "OOM kills are counted; the counter is read at each death and by a timer, since v1 wakes nobody"
	}
	if c.Readable {
		if c.Kills != nil && *c.Kills > 0 {
			f.Text += "; " + strconv.FormatUint(*c.Kills, 10) + " so far"
		}
		return f
	}
	f.State, f.Text = Missing, c.Reason
	switch c.Cause {
	case GVisor:
		f.Fix = &Fix{Docker: "--runtime runc", Kubernetes: "a runtimeClassName whose handler is not runsc", Podman: "--runtime crun"}
	case NoProc:
		f.Fix = &Fix{
			Docker: "mount nothing over /proc", Kubernetes: "mount nothing over /proc", Podman: "mount nothing over /proc; no subset=pid in proc-opts",
		}
	case NoMount:
		f.Fix = &Fix{
			Docker:     "--cgroupns private, and no volume over /sys/fs/cgroup",
			Kubernetes: "no volumeMount over /sys or /sys/fs/cgroup",
			Podman:     "--cgroupns private, and no volume over /sys/fs/cgroup",
		}
	case NoCount:
		f.Fix = &Fix{Host: "Linux 4.13 or newer, with the memory controller"}
	}
	return f
}

func limitFinding(m *Memory) Finding {
	f := Finding{Name: "limit", State: OK}
	switch {
	case m.Limit != nil:
		f.Text = "the container's own limit is " + terminal.HumanBytes(*m.Limit)
		if m.Outer != nil {
			f.Text += ", but a cgroup above allows only " + terminal.HumanBytes(*m.Outer)
		}
		return f
	case m.Outer != nil:
		f.Text = "the container has no limit of its own; a cgroup above allows " + terminal.HumanBytes(*m.Outer)
	default:
		f.Text = "none: only the host's memory, or a limit above the container, makes the kernel kill here"
	}
	f.State = Degraded
	f.Fix = &Fix{Docker: "--memory 512m", Kubernetes: "resources.limits.memory: 512Mi", Podman: "--memory 512m"}
	return f
}

func usageFinding(m *Memory) Finding {
	f := Finding{Name: "usage", State: OK}
	if m.Usage == nil {
		f.State, f.Text = Missing, "cannot be read"
		return f
	}
	f.Text = terminal.HumanBytes(*m.Usage)
	if m.Limit != nil && *m.Limit > 0 {
		f.Text += fmt.Sprintf(", %.0f %% of the limit", 100*float64(*m.Usage)/float64(*m.Limit))
	}
	if m.Peak != nil {
		return with(f, "; the most was "+terminal.HumanBytes(*m.Peak))
	}
	return with(f, "; the most is not known (memory.peak came with Linux 5.19)")
}

func with(f Finding, text string) Finding {
	f.Text += text
	return f
}

func swapFinding(m *Memory) Finding {
	f := Finding{Name: "swap", State: OK}
	switch {
	case !m.SwapKnown:
		f.Text = "not counted by this kernel"
	case m.Swap == nil:
		f.Text = "no limit: where the host has swap, a container gets slow before it is killed"
	case *m.Swap == 0:
		f.Text = "none may be used"
	default:
		f.Text = terminal.HumanBytes(*m.Swap) + " may be used beside the memory"
	}
	return f
}

func oomGroupFinding(c *Cgroup) Finding {
	f := Finding{Name: "oom_group", State: OK, Needed: true}
	switch {
	case c.OOMGroup:
		f.State = Degraded
		f.Text = "memory.oom.group is set: an OOM kill takes the whole container, oominit too, and nobody is left to tell of it"
		f.Fix = &Fix{
			Docker:     "Docker does not set it; whoever did writes 0 to memory.oom.group",
			Kubernetes: "singleProcessOOMKill: true in the kubelet's configuration",
			Podman:     "--cgroup-conf memory.oom.group=0",
		}
	case c.Version == "v2":
		f.Text = "memory.oom.group is not set: an OOM kill takes one process"
	default:
		f.Text = "cgroup v1 has no memory.oom.group: an OOM kill takes one process"
	}
	return f
}

func oomScoreAdjFinding(p Process, wanted int) Finding {
	f := Finding{Name: "oom_score_adj", State: OK, Text: fmt.Sprintf("%d, and a command's can be raised", p.OOMScoreAdj)}
	switch {
	case p.RaiseOOMScoreAdj.Works && p.OOMScoreAdj >= 1000:
		f.Text = "1000, which is the most: a command's cannot be higher than oominit's"
	case !p.RaiseOOMScoreAdj.Works:
		f.State = Degraded
		f.Needed = wanted != 0
		f.Text = fmt.Sprintf("%d, and a command's cannot be raised: %s", p.OOMScoreAdj, p.RaiseOOMScoreAdj.Reason)
		f.Fix = &Fix{Docker: "mount nothing over /proc", Kubernetes: "mount nothing over /proc", Podman: "mount nothing over /proc"}
	}
	return f
}

func pidsFinding(p Process) Finding {
	f := Finding{Name: "pids", State: OK, Needed: true}
	if p.PidsLimit == nil {
		f.Text = fmt.Sprintf("no limit; oominit takes %d", threadsNeeded)
		return f
	}
	left := *p.PidsLimit
	f.Text = fmt.Sprintf("limit %d", *p.PidsLimit)
	if p.PidsLeft != nil {
		left = *p.PidsLeft
		f.Text += fmt.Sprintf(", %d left", left)
	}
	f.Text += fmt.Sprintf("; oominit takes %d", threadsNeeded)
	fix := &Fix{Docker: "--pids-limit 64 or more", Kubernetes: "podPidsLimit in the kubelet's configuration, 64 or more", Podman: "--pids-limit 64 or more"}
	switch {
	case left < threadsNeeded:
		f.State, f.Fix = Missing, fix
		f.Text += ", and cannot start here"
	case left < threadsNeeded+5:
		f.State, f.Fix = Degraded, fix
		f.Text += ", and the command has next to none then"
	}
	return f
}

func filesFinding(p Process) Finding {
	f := Finding{Name: "files", State: OK, Needed: true, Text: fmt.Sprintf("RLIMIT_NOFILE %d", p.Files)}
	watched := max(0, int64(min(p.Files, 1<<20))-filesNeeded)
	f.Text += fmt.Sprintf(": %d processes can be watched", watched)
	if p.Files < filesPlenty {
		f.State = Degraded
		if p.Files < filesNeeded {
			f.State = Missing
		}
		f.Fix = &Fix{Docker: "--ulimit nofile=1024", Kubernetes: "LimitNOFILE= of the container runtime's service", Podman: "--ulimit nofile=1024"}
	}
	return f
}

func messageFinding(w Writable) Finding {
	f := Finding{Name: "termination_log", State: OK}
	switch {
	case w.Writable:
		f.Text = "/dev/termination-log is there and can be written to"
	case w.Present:
		f.State = Degraded
		f.Text = "/dev/termination-log is there and cannot be written to"
		f.Fix = &Fix{Kubernetes: "terminationMessagePath: a file that the container's user may write to"}
	default:
		f.Text = "there is no /dev/termination-log; only Kubernetes makes one"
	}
	return f
}
