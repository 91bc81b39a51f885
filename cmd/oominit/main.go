// The runtime's own look at the CPU limit of the cgroup costs start-up time and, later, wake-ups; the supervisor sets
// GOMAXPROCS itself.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

// Command oominit is a PID 1 for containers that notices every process that the kernel's OOM killer takes.
//
// It starts a command, forwards signals to it, reaps what becomes an orphan, and ends with the command's exit code,
// unless an OOM kill went unnoticed by the command: then a 0 becomes 137.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/oominit/oominit/internal/options"
	"github.com/oominit/oominit/internal/report"
	_ "github.com/oominit/oominit/internal/sigpipe/soon" // catches signals before all of this is initialized
	"github.com/oominit/oominit/policy"
	"github.com/oominit/oominit/supervisor"
)

// version is replaced by the linker when a release is built.
var version = "0.1.0-dev"

func main() {
	if inspects(os.Args[1:]) {
		os.Exit(inspect(os.Args[1:], os.Environ(), os.Stderr))
	}
	s, err := supervisor.New() // before anything else of PID 1: it catches signals
	if err != nil {
		complain(os.Stderr, fmt.Errorf("cannot start: %w", err))
		os.Exit(policy.ExitFailure)
	}
	os.Exit(run(s, os.Args, os.Environ(), os.Stdout, os.Stderr))
}

func run(s *supervisor.Supervisor, arguments, environment []string, stdout, stderr io.Writer) (exitCode int) {
	request, texts, err := options.Parse(arguments, environment, version)
	switch {
	case err != nil:
		complain(stderr, err)
		return policy.ExitFailure
	case request.Help:
		_, err = io.WriteString(stdout, texts.Help())
		return codeOf(err)
	case request.Version:
		_, err = fmt.Fprintln(stdout, texts.Version)
		return codeOf(err)
	case request.License:
		_, err = fmt.Fprintln(stdout, "Apache-2.0: https://www.apache.org/licenses/LICENSE-2.0")
		return codeOf(err)
	}
	if request.LogFile != "" {
		if request.Config.Report.FD, err = report.Open(request.LogFile); err != nil {
			complain(stderr, fmt.Errorf("OOMINIT_LOG_OUTPUT: %w", err))
			return policy.ExitFailure
		}
	}
	code, err := s.Run(request.Config)
	if err != nil {
		complain(stderr, err)
	}
	return code
}

// complain writes each of the joined errors on a line of its own. Nothing can be done if that fails.
func complain(stderr io.Writer, err error) {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, e := range joined.Unwrap() {
			complain(stderr, e)
		}
		return
	}
	_, _ = fmt.Fprintf(stderr, "oominit: %v\n", err)
}

func codeOf(err error) int {
	if err != nil {
		return policy.ExitFailure
	}
	return 0
}
