package supervisor

import (
	"os"
	"slices"
	"testing"
)

func TestTrimmable(t *testing.T) {
	const rest = "Size: 1112 kB\nAnonymous:             0 kB\nVmFlags: rd ex mr mw me\n"
	for _, test := range []struct {
		smaps string
		want  []addresses
	}{
		{"00401000-00518000 r-xp 00001000 fe:00 1180       /usr/bin/oominit\n" + rest, []addresses{{0x401000, 0x117000}}},
		{"00401000-00518000 r-xp 00001000 fe:00 1180       /a b (deleted)\n" + rest, []addresses{{0x401000, 0x117000}}},
		{
			"00401000-00518000 r-xp 00001000 fe:00 1180 /x\n" + rest + "00518000-0067e000 r--p 00118000 fe:00 1180 /x\n" + rest,
			[]addresses{{0x401000, 0x117000}, {0x518000, 0x166000}},
		},
		{"0067e000-0068f000 rw-p 0027e000 fe:00 1180       /usr/bin/oominit\n" + rest, nil},
		{"00401000-00518000 r-xs 00001000 fe:00 1180       /usr/bin/oominit\n" + rest, nil},
		// Relocated, then protected: giving its pages back would undo the relocation.
		{"00401000-00518000 r--p 00001000 fe:00 1180 /x\nAnonymous: 16 kB\n", nil},
		{"7ffd5c5f0000-7ffd5c5f4000 r--p 00000000 00:00 0  [vvar]\n" + rest, nil},
		{"7ffd5c5f4000-7ffd5c5f6000 r-xp 00000000 00:00 0  [vdso]\n" + rest, nil},
		{"2bf400000-2bf800000 ---p 00000000 00:00 0 \n" + rest, nil},
		{"518000-401000 r-xp 00001000 fe:00 1180 /x\n" + rest, nil},
		{"zz-10 r-xp 0 0 1 /x\n" + rest, nil},
		{"1-ffffffffffffffffff r-xp 0 0 1 /x\n" + rest, nil},
		{rest, nil},
		{"Anonymous:", nil},
		{"", nil},
	} {
		if got := trimmable(test.smaps); !slices.Equal(got, test.want) {
			t.Errorf("%q: %#x", test.smaps, got)
		}
	}
}

// The program goes on with what it needs after its pages were taken away.
func TestTrim(t *testing.T) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	if len(trimmable(string(smaps))) == 0 {
		t.Errorf("nothing of this program is trimmable:\n%s", smaps)
	}
	trim()
	TestTrimmable(t)
}
