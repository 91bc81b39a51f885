package main

import (
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	const pass = `{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"=== RUN   A\n"}
{"Action":"pass","Package":"p","Test":"A"}
`
	const end = `{"Action":"pass","Package":"p","Elapsed":0.5}
`
	for _, test := range []struct {
		title string
		in    string
		ok    bool
		want  []string
		not   []string
	}{
		{"all pass", pass + end, true, []string{"ok   p 0.5s\n", "1 passed, 0 failed, 0 skipped\n"}, []string{"RUN"}},
		{"one skips", pass + `{"Action":"output","Package":"p","Test":"B","Output":"=== RUN   B\n"}
{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:9: no engine: answers nothing\n"}
{"Action":"output","Package":"p","Test":"B","Output":"--- SKIP: B (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"B"}
` + end, true, []string{"not run here: p.B: no engine: answers nothing\n", "1 passed, 0 failed, 1 skipped\n"}, nil},
		{"one fails", pass + `{"Action":"output","Package":"p","Test":"B","Output":"    b_test.go:9: got 1\n"}
{"Action":"fail","Package":"p","Test":"B"}
{"Action":"fail","Package":"p","Elapsed":0.1}
`, false, []string{"FAIL p.B\n    b_test.go:9: got 1\n", "1 passed, 1 failed, 0 skipped\n"}, nil},
		{"the process dies", pass + `{"Action":"output","Package":"p","Test":"B","Output":"panic: x\n"}
{"Action":"fail","Package":"p","Elapsed":0.1}
`, false, []string{"panic: x\n", "1 passed, 1 failed, 0 skipped\n"}, nil},
		{"a package does not build", `{"ImportPath":"p [p.test]","Action":"build-output","Output":"p/a.go:1: undefined: x\n"}
{"ImportPath":"p [p.test]","Action":"build-fail"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p [p.test]"}
`, false, []string{"undefined: x\n", "0 passed, 1 failed, 0 skipped\n"}, nil},
		{"a package has no tests", `{"Action":"skip","Package":"p","Elapsed":0}
` + "", true, []string{"0 passed, 0 failed, 0 skipped\n"}, []string{"not run"}},
		{"the go command complains", "go: no such tool\n", false, []string{"go: no such tool\n"}, nil},
		{"nothing at all", "", false, nil, nil},
	} {
		t.Run(test.title, func(t *testing.T) {
			var out strings.Builder
			ok, err := summarize(strings.NewReader(test.in), &out)
			if err != nil || ok != test.ok {
				t.Errorf("ok %v, error %v; want %v", ok, err, test.ok)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in:\n%s", want, out.String())
				}
			}
			for _, not := range test.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q should not be in:\n%s", not, out.String())
				}
			}
		})
	}
}

func TestRun(t *testing.T) {
	const pass = `echo '{"Action":"pass","Package":"p"}'; `
	for _, test := range []struct {
		title  string
		script string
		ok     bool
		err    string
	}{
		{"all is well", pass, true, ""},
		{"a test failed", `echo '{"Action":"fail","Package":"p"}'; exit 1`, false, ""},
		{"the command failed, and no test", pass + "exit 1", false, "did not end well"},
		{"the command was killed", pass + "kill -KILL $$", false, "did not end well"},
		{"nothing was tested", "true", false, ""},
	} {
		t.Run(test.title, func(t *testing.T) {
			var out strings.Builder
			ok, err := run([]string{"sh", "-c", test.script}, &out)
			said := ""
			if err != nil {
				said = err.Error()
			}
			if ok != test.ok || (test.err == "") != (err == nil) || !strings.Contains(said, test.err) {
				t.Errorf("ok %v, error %q; want %v, %q", ok, said, test.ok, test.err)
			}
		})
	}
	for _, command := range [][]string{nil, {"/nonexistent"}} {
		if ok, err := run(command, &strings.Builder{}); ok || err == nil {
			t.Errorf("%q: ok %v, error %v", command, ok, err)
		}
	}
}
