package explain

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/oominit/oominit/internal/terminal"
	"github.com/oominit/oominit/internal/testgolden"
)

func read(t testing.TB, text string) *Log {
	t.Helper()
	log, err := Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return log
}

// outputs are all that is made of a log, by the end of the golden file's name.
func outputs(t testing.TB, log *Log) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for name, write := range map[string]func(io.Writer) error{
		"txt":   func(w io.Writer) error { return log.WriteText(w, terminal.Style{Width: 100}) },
		"color": func(w io.Writer) error { return log.WriteText(w, terminal.Style{Width: 60, Color: true}) },
		"json":  log.WriteJSON,
		"svg":   log.WriteSVG,
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		all[name] = b.String()
	}
	return all
}

var ownColors = regexp.MustCompile("\x1b\\[(0|1|2|31|1;31|32|33)m")

// check holds what is true of every output, whatever the log.
func check(t testing.TB, all map[string]string) {
	t.Helper()
	for name, text := range all {
		if name == "color" {
			text = ownColors.ReplaceAllString(text, "")
		}
		if !utf8.ValidString(text) {
			t.Errorf("%s: no UTF-8", name)
		}
		for _, c := range text {
			if c != '\n' && !strconv.IsPrint(c) {
				t.Errorf("%s: the character %U in %q", name, c, text)
				break
			}
		}
	}
	if !json.Valid([]byte(all["json"])) || strings.Count(all["json"], "\n") != 1 {
		t.Errorf("no JSON on one line: %q", all["json"])
	}
	wellFormed(t, all["svg"])
}

// wellFormed reads the picture as a browser has to, and sees to it that nothing in it can act.
func wellFormed(t testing.TB, svg string) {
	t.Helper()
	decoder := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("the SVG is not well-formed: %v\n%s", err, svg)
		}
		element, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		switch element.Name.Local {
		case "svg", "title", "style", "rect", "g", "text", "line", "path", "circle":
		default:
			t.Errorf("the SVG has an element %q", element.Name.Local)
		}
		for _, attribute := range element.Attr {
			if strings.HasPrefix(attribute.Name.Local, "on") || strings.Contains(attribute.Name.Local, "href") ||
				strings.Contains(attribute.Value, "NaN") || strings.Contains(attribute.Value, "Inf") {
				t.Errorf("the SVG has an attribute %s=%q", attribute.Name.Local, attribute.Value)
			}
		}
	}
}

func TestGolden(t *testing.T) {
	logs, err := filepath.Glob("testdata/*.log")
	if err != nil || len(logs) < 10 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, name := range logs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all := outputs(t, read(t, string(text)))
			check(t, all)
			for ending, got := range all {
				if ending != "txt" && !strings.HasSuffix(name, "/shop.log") && !strings.HasSuffix(name, "/recorder.log") {
					continue
				}
				testgolden.File(t, strings.TrimSuffix(name, ".log")+"."+ending, got)
			}
		})
	}
}

// What stands around an event changes nothing of what it says.
func TestSurroundingsOfEvents(t *testing.T) {
	texts := func(name string) string {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return outputs(t, read(t, string(text)))["txt"]
	}
	if texts("timestamps.log") != texts("shop.log") {
		t.Error("timestamps before each line change the text")
	}
	if texts("reordered.log") != texts("demo.log") {
		t.Error("another order of the keys changes the text")
	}
}

// The example in docs/explain.md is what the program prints.
func TestDocumentation(t *testing.T) {
	const page, picture = "../../docs/explain.md", "../../docs/explain.svg"
	input, err := os.ReadFile("testdata/demo.log")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want := testgolden.Block(t, string(text), "input", string(input))
	want = testgolden.Block(t, want, "output", outputs(t, read(t, string(input)))["txt"])
	testgolden.File(t, page, want)
	shop, err := os.ReadFile("testdata/shop.log")
	if err != nil {
		t.Fatal(err)
	}
	testgolden.File(t, picture, outputs(t, read(t, string(shop)))["svg"])
}
