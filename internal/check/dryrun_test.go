package check

import (
	"os"
	"strings"
	"testing"
)

// documented returns the examples of docs/rules.md, by the line that they begin with.
func documented(t *testing.T, begins string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/rules.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(page), "```rules\n")[1:] {
		if rules, _, _ := strings.Cut(part, "```"); strings.HasPrefix(rules, begins) {
			return rules
		}
	}
	t.Fatalf("docs/rules.md has no example that begins with %q", begins)
	return ""
}

// What docs/rules.md says of its examples is what happens.
func TestDocumentedRules(t *testing.T) {
	type want struct {
		kill     string
		rule     int
		action   string
		exitCode int
	}
	for begins, wants := range map[string][]want{
		"continue comm=php-fpm*;": {
			{"comm=php-fpm8.2", 1, "continue", 0},
			{"comm=java,count=2,within=1m", 0, "propagate", 137},
			{"comm=java", 2, "stop", 137},
		},
		"stop count>=5": {
			{"comm=php-fpm,ancestor=php-fpm,count=4,within=50s", 2, "continue", 0},
			{"comm=php-fpm,ancestor=php-fpm", 1, "stop", 137},
		},
		"stop cmdline=\"*coord": {
			{"cmdline=java coordinator,certainty=probable", 0, "propagate", 137},
			{"cmdline=java worker 3", 2, "continue", 137},
			{"cmdline=java coordinator", 1, "stop", 137},
		},
		"kill count>=3": {
			{"count=2,within=10m", 2, "continue", 0},
			{"comm=x", 1, "kill", 137},
		},
		"continue comm=cc1*": {
			{"comm=cc1plus,ancestor=g++,ancestor=make", 1, "continue", 0},
			{"comm=ld,ancestor=make", 2, "continue", 0},
			{"comm=ld", 0, "propagate", 137},
		},
		"continue origin=exec": {{"origin=exec", 1, "continue", 0}, {"origin=tree", 0, "propagate", 137}},
		"signal:USR1": {
			{"role=leaf", 1, "signal:SIGUSR1", 0},
			{"limit=above", 0, "propagate", 137},
		},
		"stop limit=above": {
			{"limit=above,rss=512M", 2, "continue", 0},
			{"limit=above,rss=1G", 1, "stop", 137},
		},
		"propagate cause=sigkill": {
			{"cause=sigkill", 0, "continue", 0},
			{"cause=sigkill", 1, "propagate", 137},
		},
	} {
		config := configuration(t, documented(t, begins), "propagate")
		var kills []Kill
		for _, w := range wants {
			kills = append(kills, parsed(t, w.kill))
		}
		outcomes := Try(&config, kills)
		outputs(t, &Report{Config: config, Outcomes: outcomes})
		for i, w := range wants {
			if got := outcomes[i]; got.Rule != w.rule || got.Action != w.action || got.ExitCode != w.exitCode {
				t.Errorf("%s\n%s: rule %d, %s, exit code %d; want %+v", begins, w.kill, got.Rule, got.Action, got.ExitCode, w)
			}
		}
	}
}

func parsed(t *testing.T, text string) Kill {
	t.Helper()
	kill, err := ParseKill(text)
	if err != nil {
		t.Fatal(err)
	}
	return kill
}

// What a kill means depends on what was done before.
func TestSequences(t *testing.T) {
	for _, test := range []struct {
		rules, policy string
		kills         []string
		want          string // of the last kill
		exitCode      int
		reason        string
	}{
		{"", "stop", []string{"comm=a"}, "SIGTERM is sent, and SIGKILL after 10s", 137, "policy"},
		{"", "stop", []string{"comm=a", "comm=b"}, "SIGKILL is sent at once, since", 137, "policy"},
		{"continue comm=b", "stop", []string{"comm=a", "comm=b"}, "it is only reported", 137, "policy"},
		{"", "kill", []string{"comm=a"}, "SIGKILL is sent at once", 137, "policy"},
		{"", "continue", []string{"comm=a"}, "it is only reported", 0, "main_exited"},
		{"", "propagate", []string{"role=main"}, "it is only reported", 137, "main_signaled"},
		{"stop role=main", "propagate", []string{"role=main"}, "the command has ended", 137, "main_signaled"},
		{"", "kill", []string{"role=main", "comm=a"}, "the command has ended", 137, "main_signaled"},
		{"signal:USR1", "kill", []string{"comm=a"}, "SIGUSR1 is sent", 0, "main_exited"},
		{"signal:USR1", "kill", []string{"role=main"}, "it is only reported", 137, "main_signaled"},
		{"", "propagate", []string{"certainty=unattributed"}, "the command may finish", 137, "policy"},
		{"kill comm=*", "continue", []string{"certainty=unattributed,comm=a"}, "it is only reported", 0, "main_exited"},
	} {
		config := configuration(t, test.rules, test.policy)
		var kills []Kill
		for _, text := range test.kills {
			kills = append(kills, parsed(t, text))
		}
		outcomes := Try(&config, kills)
		got := outcomes[len(outcomes)-1]
		if !strings.HasPrefix(got.Effect, test.want) || got.ExitCode != test.exitCode || got.Reason != test.reason {
			t.Errorf("%q %s %q: %+v", test.rules, test.policy, test.kills, got)
		}
		outputs(t, &Report{Config: config, Outcomes: outcomes})
	}
}

// Many kills are told as few steps, and the time between them counts.
func TestSteps(t *testing.T) {
	config := configuration(t, "stop count>=3 within=1m; continue", "kill")
	for text, want := range map[string][]Step{
		"count=3":            {{1, 2, 2, "continue", ""}, {3, 3, 1, "stop", "SIGTERM"}},
		"count=4,within=90s": {{1, 2, 2, "continue", ""}, {3, 3, 1, "stop", "SIGTERM"}, {4, 4, 1, "stop", "SIGKILL"}},
		"count=3,within=61s": {{1, 3, 2, "continue", ""}},
		"count=3,within=60s": {{1, 2, 2, "continue", ""}, {3, 3, 1, "stop", "SIGTERM"}},
	} {
		got := Try(&config, []Kill{parsed(t, text)})[0].Steps
		if len(got) != len(want) {
			t.Errorf("%s: %+v", text, got)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: step %d is %+v, want %+v", text, i, got[i], want[i])
			}
		}
	}
}
