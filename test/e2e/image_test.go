package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oominit/oominit/internal/testproc"
)

// examples is where the recipes are, each with its Dockerfile.
const examples = "../../examples"

// leftOut are files that no test needs: the image becomes half as large. Without its compiler PostgreSQL interprets.
var leftOut = []string{
	"./dev/*", "./proc/*", "./var/cache/*", "./var/lib/apt/lists/*", "./usr/share/doc/*", "./usr/share/locale/*", "./usr/share/man/*",
	"*/libLLVM-14*", "*/libz3.so*", "*/llvmjit*", "*/postgresql/15/lib/bitcode",
}

const (
	install  = "RUN apt-get update && apt-get install -y --no-install-recommends "
	tidiness = " && rm -rf /var/lib/apt/lists/*"
)

// packages are those that the recipes' Dockerfiles install.
func packages() ([]string, error) {
	files, err := filepath.Glob(filepath.Join(examples, "*/Dockerfile"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no Dockerfile in %s: %w", examples, err)
	}
	var all []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "RUN ") {
				continue
			}
			names, installs := strings.CutPrefix(strings.TrimSpace(line), install)
			names, tidies := strings.CutSuffix(names, tidiness)
			if !installs || !tidies {
				return nil, fmt.Errorf("%s: %q does not install packages as the others do", file, line)
			}
			all = append(all, strings.Fields(names)...)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// debian returns a Debian tree with these packages as a tar, which is made once for each user of the machine.
func debian() (string, error) {
	names, err := packages()
	if err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	cache = filepath.Join(cache, "oominit")
	content := sha256.Sum256([]byte(strings.Join(slices.Concat(names, leftOut), " ")))
	file := filepath.Join(cache, fmt.Sprintf("debian-bookworm-%x.tar", content[:4]))
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if _, err := exec.LookPath("debootstrap"); err != nil {
		return "", err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(cache, "debootstrap-")
	if err != nil {
		return "", err
	}
	// What is left of it is in the cache, and no reason to fail.
	defer func() { _ = os.RemoveAll(work) }()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	root, unfinished := filepath.Join(work, "root"), filepath.Join(work, "tar")
	pack := []string{"tar", "-C", root, "-cf", unfinished}
	for _, pattern := range leftOut {
		pack = append(pack, "--exclude="+pattern)
	}
	for _, command := range [][]string{
		{"debootstrap", "--variant=minbase", "--include=" + strings.Join(names, ","), "bookworm", root},
		append(pack, "."),
	} {
		cmd := exec.CommandContext(ctx, command[0], command[1:]...)
		cmd.WaitDelay = 5 * time.Second
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w: %s", command[0], err, out[max(0, len(out)-500):])
		}
	}
	return file, os.Rename(unfinished, file)
}

// imported is the name of the image, or "" as long as there is none.
var imported string

var importImage = sync.OnceValue(func() error {
	file, err := debian()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	name := fmt.Sprintf("oominit-e2e:%d-%d", os.Getpid(), time.Now().UnixNano())
	if _, err := docker(ctx, "import", "--change", "LABEL oominit.e2e="+strconv.Itoa(os.Getpid()), file, name); err != nil {
		return err
	}
	imported = name
	return nil
})

// newImage returns the name of the image that all containers here are made of, which is imported once. TestMain removes it.
func newImage(t *testing.T) string {
	t.Helper()
	testproc.Require(t, "docker", importImage())
	return imported
}

func removingImage() (undo func()) {
	return func() {
		if imported == "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := docker(ctx, "rmi", imported); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
