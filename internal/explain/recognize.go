package explain

import (
	"bytes"
	"encoding/json"
	"regexp"
)

const (
	// maxEventBytes bounds one event. One that oominit writes has at most 4096 bytes.
	maxEventBytes = 16 << 10
	// maxAttempts bounds the places of one line at which an event is looked for, so that no line takes for ever.
	maxAttempts = 1000
)

// marker is how each event begins as it is written. It cannot be inside of a string of an event's, where quotes are
// escaped.
var marker = []byte(`{"level":"`)

// found is an event, and where it is from.
type found struct {
	event  Event
	source string
}

// recognize returns the events in a line, in order. Before an event there may be a timestamp, the name of a container, or
// a text that a program has not ended with a newline; behind it, anything.
func recognize(line []byte) (all []found) {
	rest := line
	for range maxAttempts {
		i := bytes.Index(rest, marker)
		if i < 0 {
			break
		}
		object := firstObject(rest[i:])
		event, ok := parseEvent(object)
		switch {
		case ok:
			all = append(all, found{event, sourceOf(line)})
			rest = rest[i+len(object):]
		case json.Valid(object):
			rest = rest[i+len(object):] // somebody else's, with all that is in it
		default:
			// It may be the beginning of an object, and the event that cut it off.
			rest = rest[i+len(marker):]
		}
	}
	if len(all) > 0 {
		return all
	}
	// Programs that pass logs on may change the order of the keys.
	if i := bytes.IndexByte(line, '{'); i >= 0 {
		if event, ok := parseEvent(firstObject(line[i:])); ok {
			return []found{{event, sourceOf(line)}}
		}
	}
	return nil
}

// firstObject returns the text up to the brace that ends the one it begins with, or nil if there is none that near. What
// is in between may be no JSON.
func firstObject(text []byte) []byte {
	depth, inString := 0, false
	for i := 0; i < min(len(text), maxEventBytes); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{':
			depth++
		case c == '}':
			depth--
			if depth == 0 {
				return text[:i+1]
			}
		}
	}
	return nil
}

// sources are the ways in which tools write a container's name before each of its lines: docker compose logs, and
// kubectl logs --prefix.
var sources = regexp.MustCompile(`^(?:([A-Za-z0-9][\w.-]{0,127}) +\| |\[(pod/[\w./-]{1,255})\] )`)

// sourceOf returns the name of the container that the line is from, if the line begins with one.
func sourceOf(line []byte) string {
	match := sources.FindSubmatch(line[:min(len(line), 512)])
	if match == nil {
		return ""
	}
	return string(match[1]) + string(match[2])
}

var consoleLine = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z oominit: (?:debug|info|warn|error): `)

// isConsoleLine reports whether the line has an event in the format for people.
func isConsoleLine(line []byte) bool {
	end := line[max(0, len(line)-maxEventBytes):]
	return bytes.Contains(end, []byte("Z oominit: ")) && consoleLine.Match(end)
}
