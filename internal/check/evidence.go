package check

// evidenceFindings judges what can be known of the end of a process: each kind, and then all together.
func evidenceFindings(facts *Facts) []Finding {
	e := facts.Evidence
	trace := &Fix{Docker: "--cap-add SYS_PTRACE", Kubernetes: "securityContext.capabilities.add: [SYS_PTRACE]", Podman: "--cap-add SYS_PTRACE"}
	if e.PidfdExitStatus.Works {
		trace = nil // a privilege for nothing: the pidfd tells it
		if !e.ProcExitCodeOther.Works {
			e.ProcExitCodeOther.Reason += "; no harm, since a pidfd tells the status"
		}
	}
	seccomp := &Fix{
		Docker:     "a newer engine, whose seccomp profile allows pidfd_open, or one of your own",
		Kubernetes: "seccompProfile: a profile that allows pidfd_open",
		Podman:     "--security-opt seccomp= with a profile that allows pidfd_open",
		Host:       "Linux 5.3 or newer",
	}
	findings := []Finding{
		trial("wait_status", e.WaitStatus, "the status of every child and orphan", nil),
		trial("proc_exit_code", e.ProcExitCode, "/proc/PID/stat shows the exit code of a zombie of the same user", &Fix{Host: "Linux 5.17 or newer"}),
		trial("proc_exit_code_other_user", e.ProcExitCodeOther, "/proc/PID/stat shows that of another user's zombie too", trace),
		trial("pidfd_open", e.PidfdOpen, "the end of every process is noticed at once", seccomp),
		trial("pidfd_exit_status", e.PidfdExitStatus, "a pidfd tells the status of a process that somebody else reaped", &Fix{Host: "Linux 6.15 or newer"}),
		trial("newest_pid", e.NewestPID, "/proc/loadavg tells the newest pid, so that new processes are found cheaply", &Fix{
			Docker: "mount nothing over /proc/loadavg (lxcfs)", Kubernetes: "mount nothing over /proc/loadavg (lxcfs)", Podman: "mount nothing over /proc/loadavg (lxcfs)",
		}),
		hidepidFinding(facts.Proc),
	}
	return append(findings, attributionFinding(facts))
}

func trial(name string, t Trial, works string, fix *Fix) Finding {
	switch {
	case t.Works:
		return Finding{Name: name, State: OK, Text: works}
	case t.Untried:
		return Finding{Name: name, State: Degraded, Text: "not tried: " + t.Reason}
	}
	return Finding{Name: name, State: Missing, Text: t.Reason, Fix: fix}
}

func hidepidFinding(p ProcMount) Finding {
	f := Finding{Name: "hidepid", State: OK, Text: "/proc hides nobody"}
	option := ""
	if p.HidePID != "" {
		option = " (hidepid=" + p.HidePID + ")"
		f.Text = "/proc hides nobody from this user" + option
		if p.Others.Untried {
			f.State, f.Text = Degraded, "/proc may hide the processes of other users"+option+", which could not be tried"
		}
	}
	if !p.Others.Works && !p.Others.Untried {
		f.State, f.Text = Degraded, "/proc hides the processes of other users"+option
	}
	if f.State != OK {
		f.Fix = &Fix{
			Docker: "do not remount /proc with hidepid", Kubernetes: "do not remount /proc with hidepid",
			Podman: "no hidepid in --security-opt proc-opts",
		}
	}
	return f
}

// attributionFinding says what all the evidence is good for.
func attributionFinding(facts *Facts) Finding {
	f := Finding{Name: "attribution", State: OK, Needed: true}
	e := facts.Evidence
	other := e.ProcExitCodeOther.Works || e.ProcExitCodeOther.Untried
	switch {
	case !facts.Counters.Readable:
		f.State, f.Text = Missing, "without counters no death is known to be an OOM kill"
	case !e.WaitStatus.Works:
		f.State, f.Text = Degraded, "not even a child's status could be had: "+e.WaitStatus.Reason
	case e.PidfdOpen.Works && e.PidfdExitStatus.Works:
		f.Text = "certain, whoever reaps the victim"
	case e.ProcExitCode.Works && other:
		f.Text = "certain, if a victim that somebody else reaps is seen before that"
	case e.ProcExitCode.Works:
		f.State, f.Text = Degraded, "certain for children, orphans and processes of the same user; others are probable"
	default:
		f.State, f.Text = Degraded, "certain for children and orphans; victims that somebody else reaps are probable"
	}
	return f
}
