package documents

import (
	"reflect"
	"testing"
)

func TestBlocks(t *testing.T) {
	const page = "# T\n\n    one\n      two\n\n    three\n\ntext `a b` and `c`\n    no block\n\n- item\n\n    of the item `d`\n\nmore\n\n```rules\nx\n\n    y `e`\n```\n    z\n"
	want := []block{{3, 8, false, "", "one\n  two\n\nthree\n"}, {17, 21, true, "rules", "x\n\n    y `e`\n"}}
	if got := blocksOf(page); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	if got := spans(page); !reflect.DeepEqual(got, []string{"a b", "c", "d"}) {
		t.Errorf("%q", got)
	}
}
