// Command oominit-inspect is what oominit offers beside being PID 1. It is a program of its own, so that PID 1 stays small:
// oominit executes it when its first argument is the name of a subcommand.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/oominit/oominit/internal/probe"
	"github.com/oominit/oominit/internal/suggest"
)

// exitUsage is the exit code for a mistake in the arguments, and where a result cannot be written.
const exitUsage = 125

// world is what a subcommand may touch.
type world struct {
	stdin          *os.File
	stdout, stderr *os.File
	environment    func(name string) (value string, isSet bool)
	// variables are all of the environment, as NAME=VALUE.
	variables []string
}

// complain writes one line. Nothing can be done if that fails.
func (w world) complain(format string, arguments ...any) {
	_, _ = fmt.Fprintf(w.stderr, "oominit "+format+"\n", arguments...)
}

// command is one subcommand.
type command struct {
	name    string
	summary string
	run     func(w world, arguments []string) (exitCode int)
}

// commands is the table from which come the choice, the help and the suggestions. cmd/oominit has the names too.
var commands = []command{
	{"explain", "tell for people what the events in a container's log say", runExplain},
	{"check", "say what this container gives oominit, or what the rules would make of a kill", runCheck},
}

func main() {
	if probe.Act(os.Args) {
		return
	}
	os.Exit(run(world{os.Stdin, os.Stdout, os.Stderr, os.LookupEnv, os.Environ()}, os.Args[1:]))
}

func run(w world, arguments []string) (exitCode int) {
	var names []string
	for _, c := range commands {
		names = append(names, c.name)
	}
	if len(arguments) == 0 {
		w.complain("inspect: a subcommand is missing; known: %s", strings.Join(names, ", "))
		return exitUsage
	}
	switch arguments[0] {
	case "-h", "--help":
		return w.print(help())
	}
	for _, c := range commands {
		if c.name == arguments[0] {
			return c.run(w, arguments[1:])
		}
	}
	w.complain("inspect: %s", unknown("subcommand", arguments[0], append(names, "--help")))
	return exitUsage
}

func help() string {
	var b strings.Builder
	b.WriteString("oominit-inspect is the part of oominit that is not PID 1.\n\nUsage: oominit SUBCOMMAND [FLAGS]\n\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.summary)
	}
	b.WriteString("\noominit SUBCOMMAND --help says more.\n")
	return b.String()
}

// print writes a text to stdout.
func (w world) print(text string) (exitCode int) {
	if _, err := io.WriteString(w.stdout, text); err != nil {
		w.complain("inspect: %v", err)
		return exitUsage
	}
	return 0
}

// unknown says what was given, what is allowed, and what was probably meant.
func unknown(kind, given string, known []string) string {
	text := fmt.Sprintf("unknown %s %q; known: %s", kind, given, strings.Join(known, ", "))
	if near, ok := suggest.Nearest(given, known); ok {
		text += fmt.Sprintf(" (did you mean %q?)", near)
	}
	return text
}
