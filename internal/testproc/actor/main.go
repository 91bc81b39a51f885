// Command actor is the helpers of package testproc as a static program, for containers that hold nothing else. The
// environment variable TESTPROC_HELPER, or else the first argument, says which it is.
package main

import (
	"fmt"
	"os"

	"github.com/oominit/oominit/internal/testproc"
)

func main() {
	name := os.Getenv(testproc.HelperVariable)
	if name == "" && len(os.Args) > 1 {
		name = os.Args[1]
	}
	if name == "" {
		fmt.Fprintln(os.Stderr, "usage: actor HELPER")
		os.Exit(99)
	}
	os.Exit(testproc.Run(name))
}
