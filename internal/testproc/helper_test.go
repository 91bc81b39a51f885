package testproc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A helper that no test uses is a leftover.
func TestEveryHelperIsUsed(t *testing.T) {
	var tests strings.Builder
	for _, pattern := range []string{"../../test/*/*_test.go", "../../bench/*.go", "helper.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			tests.Write(text)
		}
	}
	used := tests.String()
	for name := range helpers {
		// In helper.go each is named once in the table, and once more where another helper runs it.
		if !strings.Contains(used, `main: "`+name+`"`) && !strings.Contains(used, "HELPER="+name) && !strings.Contains(used, `+"=`+name+`"`) &&
			!strings.Contains(used, `HelperVariable + "=`+name+`"`) && !strings.Contains(used, " "+name+" %") && !strings.Contains(used, `command("`+name+`"`) {
			t.Errorf("no test uses the helper %s", name)
		}
	}
}
