package suggest

import "testing"

func FuzzNearest(f *testing.F) {
	f.Add("polcy", "policy")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b && len(a) <= 64 && editDistance(a, b) != 0 {
			t.Error("a word is not itself")
		}
		if editDistance(a, b) != editDistance(b, a) {
			t.Error("not symmetric")
		}
	})
}
