package main

import (
	"fmt"
	"math/rand"
	"strings"
)

// kind is one way in which processes can be killed. Its truth is known: the kernel's log names who was.
type kind struct {
	name string
	// settings are for the scene's main process; random ones are added.
	settings map[string]string
	hogs     int
	// mainIsHog says that the main process itself is the one that takes the memory.
	mainIsHog bool
	// enter says that the hog comes from outside, as with docker exec.
	enter bool
	// names are what hogs are called; without, a plain name.
	names []string
	// fast says that hogs are born and killed within 20 ms or so.
	fast bool
	// lookAlike says that a process is killed by its master.
	lookAlike bool
}

// hostileNames are names that a parser may stumble over. The trial's number is added.
var hostileNames = []string{"a) b ", "q\"\\", "n\nl", "\xff\xfe", "(x) R 1 ", "\x1b[2J", "ü\u202e"}

var kinds = []kind{
	{name: "reaped by its parent", settings: map[string]string{"reap": "parent"}, hogs: 1},
	{name: "reaped by its parent, slow", settings: map[string]string{"reap": "parent", "pace": "slow"}, hogs: 1},
	{name: "reaped by a parent at depth 2 to 4", settings: map[string]string{"reap": "parent", "depth": "2-4"}, hogs: 1},
	{name: "reaped by us", settings: map[string]string{"reap": "init", "depth": "1-3"}, hogs: 1},
	{name: "reaped by nobody", settings: map[string]string{"reap": "nobody", "depth": "1-3"}, hogs: 1},
	{name: "main ends later", settings: map[string]string{"reap": "parent", "linger": "60"}, hogs: 1},
	{name: "40 neighbours", settings: map[string]string{"reap": "parent", "depth": "1-3", "neighbours": "40"}, hogs: 1},
	{name: "born and killed within 20 ms", settings: map[string]string{"reap": "parent", "pace": "fast"}, hogs: 1, fast: true},
	{name: "leader has ended", settings: map[string]string{"reap": "parent", "leader": "ended"}, hogs: 1},
	{name: "two in a row", settings: map[string]string{"reap": "parent"}, hogs: 2},
	{name: "two at once", settings: map[string]string{"reap": "parent", "together": "1"}, hogs: 2},
	{name: "kill -9, and no OOM kill", settings: map[string]string{"when": "alone"}, lookAlike: true},
	{name: "kill -9 right after", settings: map[string]string{"reap": "parent", "when": "after"}, hogs: 1, lookAlike: true},
	{name: "kill -9 as the kernel counts", settings: map[string]string{"reap": "parent", "when": "count"}, hogs: 1, lookAlike: true},
	{name: "exec'd session", settings: map[string]string{"await": "1"}, enter: true},
	{name: "main itself", mainIsHog: true},
	{name: "hostile names", settings: map[string]string{"reap": "parent", "depth": "1-3"}, hogs: 1, names: hostileNames},
}

// trial is one run of a kind.
type trial struct {
	kind
	number int
	code   int      // that main ends with
	main   string   // names, at most 15 bytes each and unlike all others
	hogs   []string // or the one that enters
	alike  string
}

func newTrial(k kind, number int, random *rand.Rand) trial {
	t := trial{kind: k, number: number, code: []int{0, 0, 0, 3}[random.Intn(4)], main: fmt.Sprintf("main%d", number)}
	count := k.hogs
	if k.enter {
		count = 1
	}
	for i := range count {
		name := "hog"
		if len(k.names) > 0 {
			name = k.names[random.Intn(len(k.names))]
		}
		t.hogs = append(t.hogs, fmt.Sprintf("%s%d%c", name, number, 'a'+i))
	}
	if k.lookAlike {
		t.alike = fmt.Sprintf("alike%d", number)
	}
	return t
}

// arguments are those of the scene.
func (t trial) arguments(self, truth, counter string, random *rand.Rand) []string {
	settings := map[string]string{"self": self, "truth": truth, "counter": counter, "code": fmt.Sprint(t.code), "name": hex(t.main)}
	for key, value := range t.settings {
		if from, to, found := strings.Cut(value, "-"); found { // a range of one digit each
			value = fmt.Sprint(int(from[0]-'0') + random.Intn(int(to[0]-from[0])+1))
		}
		settings[key] = value
	}
	if t.alike != "" {
		settings["lookalike"] = hex(t.alike)
	}
	role := "main"
	if t.mainIsHog {
		role = "hog"
	} else if !t.enter {
		var names []string
		for _, name := range t.hogs {
			names = append(names, hex(name))
		}
		settings["hogs"] = strings.Join(names, ",")
	}
	arguments := []string{self, role}
	for key, value := range settings {
		arguments = append(arguments, key+"="+value)
	}
	return arguments
}

func hex(name string) string { return fmt.Sprintf("%x", name) }
