package check

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/oominit/oominit/policy"
)

func TestParseKill(t *testing.T) {
	usual := policy.Verdict{OOM: true, Limit: policy.OwnLimit, Certainty: policy.Certain}
	with := func(change func(v *policy.Verdict)) policy.Verdict {
		v := usual
		change(&v)
		return v
	}
	for text, want := range map[string]Kill{
		"comm=php-fpm":                    {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Comm = "php-fpm" })},
		"comm=a,count=3,within=1m":        {Count: 3, Within: time.Minute, Verdict: with(func(v *policy.Verdict) { v.Comm = "a" })},
		"role=main, origin=exec":          {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Main, v.Exec = true, true })},
		"ancestor=sh,ancestor=make":       {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Ancestors = []string{"sh", "make"} })},
		`cmdline="a, \"b\" \\ c\d"`:       {Count: 1, Verdict: with(func(v *policy.Verdict) { v.CommandLine = `a, "b" \ c\d` })},
		"exe=/opt/My App/x,rss=1GiB":      {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Exe, v.ResidentBytes = "/opt/My App/x", 1<<30 })},
		"limit=above,certainty=probable":  {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Limit, v.Certainty = policy.LimitAbove, policy.Probable })},
		"cause=sigkill":                   {Count: 1, Verdict: with(func(v *policy.Verdict) { v.OOM, v.Limit = false, "" })},
		"cause=oom,count=10000,within=0s": {Count: 10000, Verdict: usual},
		"comm=a=b":                        {Count: 1, Verdict: with(func(v *policy.Verdict) { v.Comm = "a=b" })},
	} {
		want.Text = text
		if got, err := ParseKill(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// Each mistake is a line that says what was given, what is allowed and what was probably meant.
func TestParseKillMistakes(t *testing.T) {
	for text, want := range map[string][]string{
		"com=a":                                {`unknown fact "com"`, `did you mean "comm"?`},
		"zzzzz=a":                              {`unknown fact "zzzzz"; known: comm, exe`},
		"":                                     {"a fact is missing"},
		"comm=a,":                              {"a fact is missing"},
		"comm":                                 {`"comm" has no value; use comm=NAME`},
		"comm=":                                {"has no value"},
		`comm=""`:                              {"has no value"},
		"comm=a,comm=b":                        {"one comm too many"},
		"comm=0123456789abcdef":                {"at most 15 bytes"},
		"role=man":                             {`use role=main or leaf`, `did you mean "role=main"?`},
		"cause=any":                            {"use cause=oom or sigkill"},
		"rss=0":                                {"use rss=SIZE"},
		"count=0":                              {"use count=NUMBER, from 1 to 10000"},
		"count=10001":                          {"use count=NUMBER"},
		"count=2,within=-1s":                   {"use within=DURATION"},
		"within=1m":                            {"of no use alone"},
		`comm="a`:                              {"double quotes"},
		`comm="a"b`:                            {"double quotes"},
		`comm=a"b"`:                            {"double quotes"},
		"cause=sigkill,limit=own":              {"no limit ran out"},
		"cause=sigkill,certainty=unattributed": {"always known"},
		"com=a,rol=b\nx=\x1b":                  {"comm", "role"},
	} {
		_, err := ParseKill(text)
		if err == nil {
			t.Errorf("%q is no mistake", text)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %q has no %q", text, err, part)
			}
		}
	}
	if _, err := ParseKill("com=a,rss=x,role=y"); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("error %v; want three lines", err)
	}
}

func FuzzParseKill(f *testing.F) {
	for _, seed := range []string{
		"", "comm=php-fpm,count=3", `cmdline="a, \"b\"",ancestor=sh,ancestor=make`, "rss=1GiB,limit=above,certainty=probable",
		"cause=sigkill,role=main,origin=exec", "count=5,within=1m", `comm="`, `comm="\`, "com=a\n", ",,", "=", "comm=\x1b[0m", "\u2028=\u0085",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		kill, err := ParseKill(text)
		if err == nil {
			if kill.Count < 1 || kill.Count > maxKills || kill.Within < 0 || len(kill.Verdict.Comm) > policy.CommSize {
				t.Errorf("%q: %+v", text, kill)
			}
			kill.Count = min(kill.Count, 3)
			config := configuration(t, "stop comm=a* count>=2; kill role=main cause=any", "propagate")
			report := Report{Config: config, Outcomes: Try(&config, []Kill{kill, kill})}
			outputs(t, &report)
			return
		}
		for _, c := range err.Error() {
			if c != '\n' && (unicode.IsControl(c) || c == '\u2028') {
				t.Errorf("a control character in %q", err)
			}
		}
	})
}
