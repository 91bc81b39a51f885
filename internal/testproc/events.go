package testproc

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Event is one line of oominit's, as JSON gives it.
type Event map[string]any

// String returns the value at the keys, or "".
func (e Event) String(keys ...string) string {
	value, _ := e.at(keys).(string)
	return value
}

// Number returns the value at the keys, or 0.
func (e Event) Number(keys ...string) int {
	value, _ := e.at(keys).(float64)
	return int(value)
}

func (e Event) at(keys []string) any {
	var value any = map[string]any(e)
	for _, key := range keys {
		object, _ := value.(map[string]any)
		value = object[key]
	}
	return value
}

// schemas are those of docs, by the name of the file.
var schemas = map[string]func() (*jsonschema.Schema, error){
	"events.schema.json": compiled("events.schema.json"),
	"check.schema.json":  compiled("check.schema.json"),
}

func compiled(name string) func() (*jsonschema.Schema, error) {
	return sync.OnceValues(func() (*jsonschema.Schema, error) {
		_, here, _, _ := runtime.Caller(0)
		text, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../docs", name))
		if err != nil {
			return nil, err
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, err
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource(name, document); err != nil {
			return nil, err
		}
		return compiler.Compile(name)
	})
}

// Valid fails the test if the text is not what the schema of that name in docs describes, and returns it.
func Valid(t testing.TB, name, text string) (object map[string]any) {
	t.Helper()
	s, err := schemas[name]()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := s.Validate(object); err != nil {
		t.Errorf("against docs/%s: %s\n%v", name, text, err)
	}
	return object
}

// Events returns the events among the lines of an output, and fails the test if one breaks docs/events.schema.json.
func Events(t testing.TB, output string) (events []Event) {
	t.Helper()
	s, err := schemas["events.schema.json"]()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(output) {
		var e Event
		if json.Unmarshal([]byte(line), &e) != nil || e["event"] == nil {
			continue // the command's own output
		}
		if err := s.Validate(map[string]any(e)); err != nil {
			t.Errorf("against docs/events.schema.json: %s\n%v", line, err)
		}
		events = append(events, e)
	}
	return events
}

// Named returns the events of that name.
func Named(events []Event, name string) (named []Event) {
	for _, e := range events {
		if e.String("event") == name {
			named = append(named, e)
		}
	}
	return named
}
