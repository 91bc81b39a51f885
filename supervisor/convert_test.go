package supervisor

import (
	"reflect"
	"testing"

	"github.com/oominit/oominit/internal/attribution"
	"github.com/oominit/oominit/policy"
)

// A rule sees all that a verdict knows, and the command line as people write it.
func TestFacts(t *testing.T) {
	got := facts(attribution.Verdict{
		OOM: true, Certainty: attribution.Certain, Limit: attribution.NestedLimit, Process: attribution.Process{
			Comm: "php-fpm", CommandLine: "php-fpm\x00pool www\x00\x00", ResidentBytes: 7, Main: true, Exec: true,
			Ancestors: []attribution.Ancestor{{PID: 2, Comm: "a"}, {PID: 1, Comm: "b"}},
		},
	})
	want := policy.Verdict{
		OOM: true, Certainty: policy.Certain, Limit: policy.NestedLimit, Comm: "php-fpm", CommandLine: "php-fpm pool www",
		ResidentBytes: 7, Main: true, Exec: true, Ancestors: []string{"a", "b"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// The words are the same in both rooms, or rules would match nothing.
	for a, p := range map[attribution.Limit]policy.Limit{
		attribution.OwnLimit: policy.OwnLimit, attribution.NestedLimit: policy.NestedLimit,
		attribution.LimitAbove: policy.LimitAbove, attribution.LimitUnknown: policy.LimitUnknown,
	} {
		if string(a) != string(p) {
			t.Errorf("limit %s is %s in policy", a, p)
		}
	}
	for a, p := range map[attribution.Certainty]policy.Certainty{
		attribution.Certain: policy.Certain, attribution.Probable: policy.Probable, attribution.Unattributed: policy.Unattributed,
	} {
		if string(a) != string(p) {
			t.Errorf("certainty %s is %s in policy", a, p)
		}
	}
}
