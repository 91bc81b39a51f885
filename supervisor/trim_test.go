package supervisor

import (
	"os"
	"testing"
)

func TestTrimmable(t *testing.T) {
	for _, test := range []struct {
		line          string
		start, length uintptr
		ok            bool
	}{
		{"00401000-00518000 r-xp 00001000 fe:00 1180                               /usr/bin/oominit\n", 0x401000, 0x117000, true},
		{"00518000-0067e000 r--p 00118000 fe:00 1180                               /usr/bin/oominit\n", 0x518000, 0x166000, true},
		{"00401000-00518000 r-xp 00001000 fe:00 1180                               /a b (deleted)\n", 0x401000, 0x117000, true},
		{"0067e000-0068f000 rw-p 0027e000 fe:00 1180                               /usr/bin/oominit\n", 0, 0, false},
		{"00401000-00518000 r-xs 00001000 fe:00 1180                               /usr/bin/oominit\n", 0, 0, false},
		{"7ffd5c5f0000-7ffd5c5f4000 r--p 00000000 00:00 0                          [vvar]\n", 0, 0, false},
		{"7ffd5c5f4000-7ffd5c5f6000 r-xp 00000000 00:00 0                          [vdso]\n", 0, 0, false},
		{"2bf400000-2bf800000 ---p 00000000 00:00 0 \n", 0, 0, false},
		{"518000-401000 r-xp 00001000 fe:00 1180 /x\n", 0, 0, false},
		{"zz-10 r-xp 0 0 1 /x\n", 0, 0, false},
		{"1-ffffffffffffffffff r-xp 0 0 1 /x\n", 0, 0, false},
		{"", 0, 0, false},
	} {
		start, length, ok := trimmable(test.line)
		if start != test.start || length != test.length || ok != test.ok {
			t.Errorf("%q: %#x, %#x, %v", test.line, start, length, ok)
		}
	}
}

// The program goes on with what it needs after its pages were taken away.
func TestTrim(t *testing.T) {
	found := 0
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	trim()
	TestTrimmable(t)
	for i, start := 0, 0; i < len(maps); i++ {
		if maps[i] == '\n' {
			if _, _, ok := trimmable(string(maps[start:i])); ok {
				found++
			}
			start = i + 1
		}
	}
	if found == 0 {
		t.Errorf("nothing of this program is trimmable:\n%s", maps)
	}
}
