package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/oominit/oominit/internal/check"
	"github.com/oominit/oominit/internal/options"
	"github.com/oominit/oominit/internal/probe"
)

const checkHelp = `oominit check says what this container gives oominit before anything goes wrong:
whether OOM kills can be counted, what can be known of a victim, what is short, and how
the configuration was understood. Run it where oominit runs: as ENTRYPOINT, or with
docker exec.

Usage: oominit check [FLAGS] [FLAGS OF OOMINIT] [--] [COMMAND [ARGUMENTS]]

The flags and variables of oominit are read as it would read them. COMMAND is not
started.

  --kill=FACTS
      Say instead what would follow from such a kill. It can be given several times, for
      kills one after the other. FACTS are FACT=VALUE, separated by commas; VALUE may be
      in double quotes. The facts are comm, exe, cmdline, ancestor (more than once), role,
      origin, limit, certainty, rss, cause, count (so many such kills) and within (the
      time from the first to the last).
  --color=auto|always|never
      Colours. auto means: on a terminal, unless NO_COLOR is set or TERM is dumb.
  --json
      Print one JSON object instead of the text.
  --help, -h
      Print this text.

Exit codes: 0 when attribution can be certain here, and with --kill; 1 when something
that it needs is degraded or missing; 125 for a mistake in the arguments or in the
configuration, or when the result cannot be written.
`

// checkRequest is what the arguments of check ask for.
type checkRequest struct {
	color string
	json  bool
	help  bool
	kills []check.Kill
	// rest are the arguments of oominit itself.
	rest []string
}

var checkFlags = []string{"--color", "--json", "--kill", "--help"}

// runCheck is the subcommand.
func runCheck(w world, arguments []string) (exitCode int) {
	request, faults := parseCheck(arguments)
	if request.help {
		return w.print(checkHelp)
	}
	configured, err := options.ParseConfiguration(request.rest, w.variables)
	if err != nil {
		faults = append(faults, strings.Split(err.Error(), "\n")...)
	}
	for _, fault := range faults {
		w.complain("check: %s", fault)
	}
	if len(faults) > 0 {
		return exitUsage
	}
	report := check.Report{Config: configurationOf(configured)}
	if len(request.kills) > 0 {
		report.Outcomes = check.Try(&report.Config, request.kills)
	} else {
		report.Facts = probe.Read("/")
		probe.Try(report.Facts)
		report.Findings = check.Findings(report.Facts, report.Config.OOMScoreAdj)
	}
	if err := writeReport(w, &report, request); err != nil {
		w.complain("check: %v", err)
		return exitUsage
	}
	return report.ExitCode()
}

func writeReport(w world, report *check.Report, request checkRequest) error {
	var text bytes.Buffer
	var err error
	if request.json {
		err = report.WriteJSON(&text)
	} else {
		err = report.WriteText(&text, style(w, request.color))
	}
	if err != nil {
		return err
	}
	if _, err := w.stdout.Write(text.Bytes()); err != nil {
		return fmt.Errorf("cannot write to stdout: %w", err)
	}
	return nil
}

// configurationOf puts a configuration into the words of check.
func configurationOf(r options.Request) check.Configuration {
	c := r.Config
	return check.Configuration{
		Policy: c.Policy, Rules: c.Rules, ExitCode: c.ExitCode, ExitCodes: c.ExitCodes, GracePeriod: c.GracePeriod,
		StopSignal: options.SignalName(c.StopSignal), SignalName: func(n int) string { return options.SignalName(unix.Signal(n)) },
		Command: c.Command, OOMScoreAdj: c.OOMScoreAdj,
	}
}

// parseCheck takes its own flags off the arguments, up to the command, and leaves the others to oominit's parser. All faults
// are found at once.
func parseCheck(arguments []string) (r checkRequest, faults []string) {
	r.color = "auto"
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	for len(arguments) > 0 {
		given := arguments[0]
		if given == "--" || given == "-" || !strings.HasPrefix(given, "-") {
			break
		}
		arguments = arguments[1:]
		flag, value, hasValue := strings.Cut(given, "=")
		switch {
		case flag == "--json" || flag == "--help" || flag == "-h":
			if hasValue {
				fault("%s: it takes no value, and %q was given", flag, value)
				continue
			}
			r.json = r.json || flag == "--json"
			r.help = r.help || flag != "--json"
		case flag == "--color" || flag == "--kill":
			if !hasValue {
				if len(arguments) == 0 {
					fault("%s: a value is missing", flag)
					continue
				}
				value, arguments = arguments[0], arguments[1:]
			}
			if err := r.set(flag, value); err != nil {
				for line := range strings.SplitSeq(err.Error(), "\n") {
					fault("%s", line)
				}
			}
		case slices.Contains(options.Flags(), flag):
			r.rest = append(r.rest, given)
			if options.TakesNext(given) && len(arguments) > 0 {
				r.rest, arguments = append(r.rest, arguments[0]), arguments[1:]
			}
		default:
			fault("%s", unknown("flag", flag, append(slices.Clone(checkFlags), options.Flags()...)))
		}
	}
	r.rest = append(r.rest, arguments...)
	return r, faults
}

func (r *checkRequest) set(flag, value string) (err error) {
	if flag == "--color" {
		r.color, err = colorNamed(value)
		return err
	}
	kill, err := check.ParseKill(value)
	if err != nil {
		return fmt.Errorf("--kill: %s", strings.ReplaceAll(err.Error(), "\n", "\n--kill: "))
	}
	r.kills = append(r.kills, kill)
	return nil
}
