package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/oominit/oominit/internal/explain"
)

const explainHelp = `oominit explain reads the log of a container and tells what oominit's events in it
say: what ran, what was OOM-killed and how certain that is, and how it ended.

Usage: docker logs CONTAINER 2>&1 | oominit explain [FLAGS]

Lines of other programs are passed over. A log may have several runs and several
containers.

  --color=auto|always|never
      Colours. auto means: on a terminal, unless NO_COLOR is set or TERM is dumb.
  --json
      Print one JSON object instead of the text.
  --svg=FILE
      Draw memory over time, with the kills marked, into FILE too. - means stdout,
      which then has the picture and no text.
  --help, -h
      Print this text.

Exit codes: 0; 1 when the log has no event of oominit's; 125 for a mistake in the
arguments, or when the log cannot be read or the result not be written.
`

// explainRequest is what the arguments of explain ask for.
type explainRequest struct {
	color string
	json  bool
	svg   string
	help  bool
}

var explainFlags = []string{"--color", "--json", "--svg", "--help"}

// runExplain is the subcommand.
func runExplain(w world, arguments []string) (exitCode int) {
	request, err := parseExplain(arguments)
	if err != nil {
		w.complain("explain: %v", err)
		return exitUsage
	}
	if request.help {
		return w.print(explainHelp)
	}
	if isTerminal(w.stdin.Fd()) {
		w.complain("explain: reading the log from the terminal, up to Ctrl-D; mostly it comes from a pipe: docker logs CONTAINER 2>&1 | oominit explain")
	}
	log, err := explain.Read(w.stdin)
	if err != nil {
		w.complain("explain: %v", err)
		return exitUsage
	}
	if log.Events == 0 {
		text := "no event of oominit's in the log"
		if log.ConsoleLines > 0 {
			text += ", but lines in the format console, which tell too little: OOMINIT_LOG_FORMAT=json has it all"
		}
		w.complain("explain: %s", text)
		return 1
	}
	if err := writeExplanation(w, log, request); err != nil {
		w.complain("explain: %v", err)
		return exitUsage
	}
	return 0
}

// writeExplanation writes all that was asked for. The text is made before the file is written, and printed whatever
// becomes of that.
func writeExplanation(w world, log *explain.Log, request explainRequest) error {
	var text bytes.Buffer
	var err error
	switch {
	case request.svg == "-":
		err = log.WriteSVG(&text)
	case request.json:
		err = log.WriteJSON(&text)
	default:
		err = log.WriteText(&text, style(w, request.color))
	}
	if err != nil {
		return err
	}
	if _, err := w.stdout.Write(text.Bytes()); err != nil {
		return fmt.Errorf("cannot write to stdout: %w", err)
	}
	if request.svg != "" && request.svg != "-" {
		return writeFile(request.svg, func(file io.Writer) error { return log.WriteSVG(file) })
	}
	return nil
}

// parseExplain reads the arguments.
func parseExplain(arguments []string) (r explainRequest, err error) {
	r.color = "auto"
	for len(arguments) > 0 {
		flag, value, hasValue := strings.Cut(arguments[0], "=")
		given := arguments[0]
		arguments = arguments[1:]
		switch flag {
		case "--json", "--help", "-h":
			if hasValue {
				return r, fmt.Errorf("%s: it takes no value, and %q was given", flag, value)
			}
			r.json = r.json || flag == "--json"
			r.help = r.help || flag != "--json"
			continue
		case "--color", "--svg":
			if !hasValue {
				if len(arguments) == 0 {
					return r, fmt.Errorf("%s: a value is missing", flag)
				}
				value, arguments = arguments[0], arguments[1:]
			}
		default:
			if !strings.HasPrefix(given, "-") {
				return r, fmt.Errorf("%q is one argument too many: the log comes from stdin, as in: oominit explain < FILE", given)
			}
			return r, fmt.Errorf("%s", unknown("flag", flag, explainFlags))
		}
		if flag == "--svg" {
			if value == "" {
				return r, fmt.Errorf("--svg: %q is no file; use a name, or - for stdout", value)
			}
			r.svg = value
			continue
		}
		if r.color, err = colorNamed(value); err != nil {
			return r, err
		}
	}
	if r.json && r.svg == "-" {
		return r, fmt.Errorf("--json and --svg=- both want stdout; give --svg a file")
	}
	return r, nil
}
