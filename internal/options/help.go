package options

import (
	"cmp"
	"fmt"
	"strings"
)

// help is the text of --help.
func help() string {
	var b strings.Builder
	b.WriteString(`oominit is a PID 1 for containers that notices OOM-killed processes.

Usage: oominit [FLAGS] [--] COMMAND [ARGUMENTS]
       oominit explain [FLAGS] < LOG
       oominit check [FLAGS]

It starts COMMAND, forwards signals to it, reaps orphans, and ends with COMMAND's
exit code. When the kernel OOM-kills a process that COMMAND survives, it prints
one JSON event that names the victim, and COMMAND's exit code 0 becomes 137.

explain tells for people what the events in a container's log say, and check what
this container gives; they need the program oominit-inspect beside oominit. To start
a command of such a name: oominit -- explain.

Each flag has a variable, in brackets; flags win.

`)
	for _, o := range options {
		value := "=VALUE"
		if o.boolean {
			value = ""
		}
		fmt.Fprintf(&b, "  %s%s  [%s]\n", o.flag(), value, o.variable())
		for _, line := range wrap(strings.ReplaceAll(o.meaning, "`", ""), 70) {
			fmt.Fprintf(&b, "      %s\n", line)
		}
		fmt.Fprintf(&b, "      Default: %s. Allowed: %s.\n", cmp.Or(o.initial, "none"), o.allowed)
	}
	b.WriteString(`  --help, -h
      Print this text.
  --version
      Print the version.

Exit codes: COMMAND's own; 128+n when signal n ended it; 125 for a mistake in the
configuration or when nothing can be started; 126 when COMMAND cannot be executed;
127 when it is not found; OOMINIT_EXIT_CODE where the policy decided so.
`)
	return b.String()
}

// wrap breaks a text into lines of at most width bytes, where it has blanks.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && len(line)+1+len(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}
