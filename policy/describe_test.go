package policy

import (
	"reflect"
	"testing"
)

func TestDescribe(t *testing.T) {
	rules := mustParse(t, "stop within=90s count>=3 rss>=1K comm=\"a b\"; signal:USR1 cause=any; continue")
	got := rules.Describe()
	want := []Described{
		{`stop within=90s count>=3 rss>=1K comm="a b"`, Stop, 0, []Condition{
			{"rss", ">=", "1024"}, {"comm", "=", "a b"}, {"cause", "=", "oom"}, {"count", ">=", "3"}, {"within", "=", "1m30s"},
		}},
		{"signal:USR1 cause=any", Continue, 10, []Condition{{"cause", "=", "any"}}},
		{"continue", Continue, 0, []Condition{{"cause", "=", "oom"}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if len(Rules{}.Describe()) != 0 {
		t.Error("no rules have a description")
	}
}

func TestWithoutMain(t *testing.T) {
	for action, want := range map[Action]Action{Continue: Continue, Propagate: Propagate, Stop: Propagate, Kill: Propagate} {
		if got := (Decision{Action: action, Signal: 10, Rule: 3}).WithoutMain(); got != (Decision{Action: want, Rule: 3}) {
			t.Errorf("%v: %+v", action, got)
		}
	}
}
