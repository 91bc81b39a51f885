// Command testsummary runs go test -json and writes what a person wants to know: each failure in full, what was not run
// here and why, and one line that counts. It exits with 1 if the command or a test failed, or if nothing was tested.
//
//	testsummary go test -json ./...
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

func main() {
	ok, err := run(os.Args[1:], os.Stdout)
	if err != nil {
		fmt.Fprintf(os.Stderr, "testsummary: %v\n", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

// run runs the command and reports whether it ended with 0 and all is well in what it wrote. What it says on stderr
// goes to ours.
func run(command []string, out io.Writer) (ok bool, err error) {
	if len(command) == 0 {
		return false, errors.New("no command given")
	}
	tests := exec.Command(command[0], command[1:]...)
	tests.Stderr = os.Stderr
	in, err := tests.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("cannot make a pipe: %w", err)
	}
	if err := tests.Start(); err != nil {
		return false, fmt.Errorf("cannot run %q: %w", command[0], err)
	}
	ok, err = summarize(in, out)
	ended := tests.Wait()
	var exit *exec.ExitError
	switch {
	case err != nil:
		return false, err
	case errors.As(ended, &exit) && exit.ExitCode() == 1 && !ok:
		return false, nil // a test failed, and the summary says which
	case ended != nil:
		return false, fmt.Errorf("%q did not end well: %w", command[0], ended)
	}
	return ok, nil
}

// event is a line of go test -json (go doc test2json), build output included.
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Elapsed    float64
	Output     string
	// FailedBuild is the import path of what did not build, if that is why the package failed.
	FailedBuild string
}

// key names a test; an empty test is the package itself.
type key struct{ pkg, test string }

// summary is what is known so far.
type summary struct {
	out     io.Writer
	output  map[key][]string
	broken  map[string]bool // packages in which a test failed
	skipped []string
	counts  struct{ passed, failed, skipped int }
}

// summarize reports whether everything passed and at least one package was tested.
func summarize(in io.Reader, out io.Writer) (ok bool, err error) {
	s := summary{out: out, output: make(map[key][]string), broken: make(map[string]bool)}
	lines := bufio.NewReader(in)
	packages := 0
	for {
		line, readErr := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(out, "%s", line) // the go command itself says something
			} else {
				if e.Test == "" && (e.Action == "pass" || e.Action == "fail" || e.Action == "skip") {
					packages++
				}
				s.take(e)
			}
		}
		if readErr == io.EOF {
			break
		}
		if readErr != nil {
			return false, fmt.Errorf("cannot read: %w", readErr)
		}
	}
	slices.Sort(s.skipped)
	for _, line := range s.skipped {
		fmt.Fprintf(out, "not run here: %s\n", line)
	}
	// A test that never ended, since its process died, is part of its package's failure.
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", s.counts.passed, s.counts.failed, s.counts.skipped)
	return s.counts.failed == 0 && packages > 0, nil
}

func (s *summary) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "output":
		s.output[k] = append(s.output[k], e.Output)
	case "build-output":
		k = key{e.ImportPath, ""}
		s.output[k] = append(s.output[k], e.Output)
	case "pass":
		if e.Test != "" {
			s.counts.passed++
		} else {
			fmt.Fprintf(s.out, "ok   %s %.1fs\n", e.Package, e.Elapsed)
		}
		delete(s.output, k)
	case "skip":
		if e.Test != "" {
			s.counts.skipped++
			s.skipped = append(s.skipped, e.Package+"."+e.Test+": "+reason(s.output[k]))
		}
		delete(s.output, k)
	case "fail":
		s.failed(e, k)
	}
}

func (s *summary) failed(e event, k key) {
	if e.Test != "" {
		s.counts.failed++
		s.broken[e.Package] = true
		fmt.Fprintf(s.out, "FAIL %s.%s\n%s", e.Package, e.Test, strings.Join(s.output[k], ""))
		delete(s.output, k)
		return
	}
	if !s.broken[e.Package] {
		s.counts.failed++ // no test of it failed: it did not build, or its process died
	}
	fmt.Fprintf(s.out, "FAIL %s %.1fs\n", e.Package, e.Elapsed)
	if e.FailedBuild != "" {
		fmt.Fprint(s.out, strings.Join(s.output[key{e.FailedBuild, ""}], ""))
	}
	// What is left is the package's own and that of tests that did not come to an end.
	var left []key
	for other := range s.output {
		if other.pkg == e.Package {
			left = append(left, other)
		}
	}
	slices.SortFunc(left, func(a, b key) int { return strings.Compare(a.test, b.test) })
	for _, other := range left {
		fmt.Fprint(s.out, strings.Join(s.output[other], ""))
		delete(s.output, other)
	}
}

// reason returns what a test said when it skipped itself: "    file_test.go:12: why".
func reason(output []string) string {
	var said []string
	for _, line := range output {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		if _, rest, found := strings.Cut(line, ".go:"); found {
			if _, text, found := strings.Cut(rest, ": "); found {
				line = text
			}
		}
		said = append(said, line)
	}
	if len(said) == 0 {
		return "no reason given"
	}
	return strings.Join(said, "; ")
}
