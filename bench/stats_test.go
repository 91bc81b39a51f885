package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("%v: %v, want %v", test.values, got, test.want)
		}
	}
}

func TestCompared(t *testing.T) {
	values := [][]float64{{3}, {2}, nil}
	r := compared(row{what: "x"}, values, "%.0f ms", 1.5)
	if r.met != met || strings.Join(r.cells, ", ") != "3 ms (1.50×), 2 ms (1.00×), -" {
		t.Errorf("%q", r)
	}
	if r := compared(row{}, values, "%.0f", 1.4); r.met != missed {
		t.Errorf("a missed budget is %q", r.met)
	}
}
