// Package boundaries holds the borders between the rooms of the program: who may import whom, and who may call what. It
// parses the sources and looks at nothing but imports and selector expressions, so that it needs no build.
//
// The linter is set up with the same borders. This package holds them for whoever runs the tests only.
package boundaries

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the module path that imports of our own begin with.
const module = "github.com/oominit/oominit"

// rooms are the packages that end up in the program, and which packages of this module each may import.
var rooms = map[string][]string{
	"cmd/oominit":         {"supervisor", "policy", "internal/options", "internal/report", "internal/sigpipe/soon"},
	"cmd/oominit-inspect": {"policy", "internal/check", "internal/explain", "internal/options", "internal/probe", "internal/suggest", "internal/terminal"},
	"internal/options":    {"supervisor", "policy", "internal/report", "internal/suggest"},
	"supervisor": {
		"reaper", "policy", "internal/memcg", "internal/proctrack", "internal/attribution", "internal/report", "internal/sigpipe",
		"internal/aside",
	},
	"reaper":                nil,
	"policy":                {"internal/suggest"},
	"internal/memcg":        nil,
	"internal/proctrack":    nil,
	"internal/attribution":  nil,
	"internal/check":        {"policy", "internal/suggest", "internal/terminal"},
	"internal/explain":      {"internal/terminal"},
	"internal/probe":        {"reaper", "internal/check", "internal/memcg", "internal/proctrack"},
	"internal/terminal":     nil,
	"internal/report":       {"internal/aside"},
	"internal/aside":        nil,
	"internal/sigpipe":      nil,
	"internal/sigpipe/soon": nil,
	"internal/suggest":      nil,
}

// besides are folders whose packages stay out of the program: tests, measurements and tools. A package that is neither
// a room nor in one of them is a fault, so that none comes about without a border.
var besides = []string{"bench", "examples", "internal/boundaries", "internal/testcgroup", "internal/testgolden", "internal/testproc", "internal/testsummary", "internal/uml", "test"}

// pure are the rooms that know no system, no clock and no logger.
var pure = []string{"policy", "internal/attribution", "internal/check", "internal/explain", "internal/suggest", "internal/terminal"}

// impureImports are what a pure room does not import, with all that is below.
var impureImports = []string{"os", "syscall", "golang.org/x/sys", "log", "net", "github.com/rs/zerolog"}

// clockCalls are the functions of package time that read or wait for the clock.
var clockCalls = []string{
	"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker",
}

// neverImports are what no room imports, with all that is below, and why.
var neverImports = map[string]string{
	"os/exec": "its Wait would steal statuses from the reaper",
	"net":     "the program talks to nobody",
	"github.com/containerd/cgroups/v3/cgroup1": "it serves the tests only",
	"github.com/containerd/cgroups/v3/cgroup2": "it serves the tests only",
}

// zerolog is for one room only, everywhere in the module.
const zerolog, zerologRoom = "github.com/rs/zerolog", "internal/report"

// waits are the names of functions that take a status from a child, in x/sys/unix and syscall. os.Process is kept out
// by the functions that make one.
var waits = []string{"Wait4", "Waitid", "SYS_WAIT4", "SYS_WAITID"}

// processMakers are the functions of package os that return an os.Process, whose Wait is a wait too.
var processMakers = []string{"StartProcess", "FindProcess"}

// Check returns one line for each place in the sources that crosses a border, in order. The keys are file names from
// the root of the module on, with slashes; test files are not looked at.
func Check(sources map[string]string) []string {
	var faults []string
	files := token.NewFileSet()
	for name, text := range sources {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(files, name, text, parser.SkipObjectResolution)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: cannot parse: %v", name, err))
			continue
		}
		c := checker{files: files, room: path.Dir(name)}
		c.file(file)
		faults = append(faults, c.faults...)
	}
	slices.Sort(faults)
	return faults
}

// checker looks at one file.
type checker struct {
	files  *token.FileSet
	room   string
	names  map[string]string // local name of an import, and its path
	faults []string
}

func (c *checker) fault(at token.Pos, format string, arguments ...any) {
	c.faults = append(c.faults, fmt.Sprintf("%s: ", c.files.Position(at))+fmt.Sprintf(format, arguments...))
}

func (c *checker) file(file *ast.File) {
	_, isRoom := rooms[c.room]
	if !isRoom && !slices.ContainsFunc(besides, func(folder string) bool { return within(c.room, folder) }) {
		c.fault(file.Package, "package %s is no room and has no border: add it to internal/boundaries", c.room)
		return
	}
	c.names = make(map[string]string)
	for _, spec := range file.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue // the parser has refused it
		}
		local := path.Base(name)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		if local == "." && isRoom {
			c.fault(spec.Pos(), "imports %s as \".\": its functions could not be told from ours", name)
		}
		c.names[local] = name
		c.imported(spec.Pos(), name, isRoom)
	}
	if !isRoom {
		return
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if selector, ok := n.(*ast.SelectorExpr); ok {
			c.selected(selector)
		}
		return true
	})
}

// imported judges one import.
func (c *checker) imported(at token.Pos, name string, isRoom bool) {
	if within(name, zerolog) && c.room != zerologRoom {
		c.fault(at, "%s imports %s: only %s does", c.room, name, zerologRoom)
	}
	if !isRoom {
		return
	}
	if within(name, module) {
		own := strings.TrimPrefix(strings.TrimPrefix(name, module), "/")
		if !slices.Contains(rooms[c.room], own) {
			c.fault(at, "%s imports %s", c.room, name)
		}
	}
	for forbidden, why := range neverImports {
		if within(name, forbidden) {
			c.fault(at, "%s imports %s: %s", c.room, name, why)
		}
	}
	if slices.Contains(pure, c.room) {
		for _, forbidden := range impureImports {
			if within(name, forbidden) {
				c.fault(at, "%s imports %s: it is pure", c.room, name)
			}
		}
	}
}

// selected judges one x.Name.
func (c *checker) selected(selector *ast.SelectorExpr) {
	name := selector.Sel.Name
	if slices.Contains(waits, name) && c.room != "reaper" {
		c.fault(selector.Pos(), "%s uses %s: only reaper waits", c.room, name)
	}
	x, ok := selector.X.(*ast.Ident)
	if !ok {
		return
	}
	switch c.names[x.Name] {
	case "os":
		if name == "Exit" && !within(c.room, "cmd") {
			c.fault(selector.Pos(), "%s calls os.Exit: only cmd does", c.room)
		}
		if slices.Contains(processMakers, name) {
			c.fault(selector.Pos(), "%s calls os.%s: only reaper waits", c.room, name)
		}
	case "time":
		if slices.Contains(pure, c.room) && slices.Contains(clockCalls, name) {
			c.fault(selector.Pos(), "%s uses time.%s: time comes in as a value", c.room, name)
		}
	}
}

// within reports whether name is the folder or below it.
func within(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }
