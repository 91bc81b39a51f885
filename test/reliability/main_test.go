package reliability

import (
	"testing"

	"github.com/oominit/oominit/internal/testcgroup"
	"github.com/oominit/oominit/internal/testproc"
)

func TestMain(m *testing.M) { testproc.Main(m, testcgroup.Isolate) }
