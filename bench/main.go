// Command bench measures oominit beside tini, dumb-init and catatonit, all in one run and by turns, and prints a table.
// It takes root: the inits run as PID 1 of new pid namespaces, and kills happen in memory cgroups (v1) made for it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// initProgram is one of those compared.
type initProgram struct {
	name string
	path string // empty if it is not installed
	// dashes is what stands between the init and its command.
	dashes []string
}

func (p initProgram) command(command ...string) []string {
	return append(append([]string{p.path}, p.dashes...), command...)
}

// row is one line of the table: a measurement of each program, and the budget for the first.
type row struct {
	what   string
	cells  []string
	budget string
	met    verdict
}

type verdict string

const (
	met      verdict = "met"
	missed   verdict = "**missed**"
	noBudget verdict = ""
)

func judge(ok bool) verdict {
	if ok {
		return met
	}
	return missed
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "make-orphans" {
		os.Exit(makeOrphans(os.Args[2:]))
	}
	path := flag.String("oominit", "bin/oominit", "the binary to measure")
	rounds := flag.Int("rounds", 200, "how often a start is measured")
	only := flag.String("only", "", "comma-separated names of measurements ("+names()+"); all of them without it")
	flag.Parse()
	if err := run(*path, *rounds, *only); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

type measurement struct {
	name    string
	measure func(programs []initProgram, rounds int) (row, error)
}

func names() string {
	var all []string
	for _, m := range measurements {
		all = append(all, m.name)
	}
	return strings.Join(all, ", ")
}

// measurements are the rows of the table, in its order, by the names that -only takes.
var measurements = []measurement{
	{"size", size}, {"memory", memory}, {"start", start}, {"exec", firstByte}, {"reaping", reaping}, {"threads", threads},
	{"idle", wakeUps}, {"latency", latency},
}

// chosen reports whether the measurement is among those that -only names.
func chosen(only, name string) bool {
	return only == "" || slices.Contains(strings.Split(only, ","), name)
}

func run(path string, rounds int, only string) error {
	for name := range strings.SplitSeq(only, ",") {
		if only != "" && !slices.ContainsFunc(measurements, func(m measurement) bool { return m.name == name }) {
			return fmt.Errorf("unknown measurement %q; known: %s", name, names())
		}
	}
	if os.Geteuid() != 0 {
		return errors.New("it takes root to make pid namespaces and cgroups")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	programs := []initProgram{
		{"oominit", path, []string{"--"}},
		{"tini", look("tini"), []string{"--"}},
		{"dumb-init", look("dumb-init"), nil},
		{"catatonit", look("catatonit"), []string{"--"}},
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("run make build first: %w", err)
	}
	var missing []string
	for _, p := range programs {
		if p.path == "" {
			missing = append(missing, p.name)
		}
	}
	if len(missing) > 0 {
		fmt.Fprintf(os.Stderr, "not installed, so not measured: %s\n", strings.Join(missing, ", "))
		if strings.Contains(os.Getenv("OOMINIT_REQUIRE"), "peers") {
			return errors.New("OOMINIT_REQUIRE asks for the peers")
		}
	}
	// They would be oominit's.
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "OOMINIT_") {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	var rows []row
	for _, m := range measurements {
		if !chosen(only, m.name) {
			continue
		}
		r, err := m.measure(programs, rounds)
		if err != nil {
			return err
		}
		rows = append(rows, r)
	}
	fmt.Print(table(programs, rows))
	return nil
}

func look(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	return path
}

// table writes the rows in Markdown.
func table(programs []initProgram, rows []row) string {
	var b strings.Builder
	b.WriteString("| |")
	for _, p := range programs {
		b.WriteString(" " + p.name + " |")
	}
	b.WriteString(" budget | |\n|" + strings.Repeat("---|", len(programs)+3) + "\n")
	for _, r := range rows {
		b.WriteString("| " + r.what + " |")
		for _, cell := range r.cells {
			b.WriteString(" " + cell + " |")
		}
		b.WriteString(" " + r.budget + " | " + string(r.met) + " |\n")
	}
	return b.String()
}
