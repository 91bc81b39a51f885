package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// writeFile makes the file, or replaces what it holds, in one step: whatever goes wrong, the old one is still there. A
// symbolic link stays one. A name that is no regular file's is refused, since it would be replaced by one.
func writeFile(name string, write func(io.Writer) error) (err error) {
	target, mode := name, fs.FileMode(0)
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		target = resolved
	}
	switch info, err := os.Stat(target); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("cannot write %q: it is there and no regular file", name)
	case err == nil:
		mode = info.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot write %q: %w", name, err)
	}
	// Not os.CreateTemp, which would take the file from all others: 0666 leaves it to the umask.
	part := fmt.Sprintf("%s.%d.part", target, os.Getpid())
	file, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", name, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part) // the first error is the one to tell
			err = fmt.Errorf("cannot write %q: %w", name, err)
		}
	}()
	err = write(file)
	if err == nil && mode != 0 {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(part, filepath.Clean(target))
	}
	return err
}
