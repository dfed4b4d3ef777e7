package database

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// lockInode locks a byte of the file that SQLite never uses: its own locks end at
// 1 GiB + 512, and lock bytes need no content. An open file description's lock
// belongs to the file and not to a path of it, so links lead to the same one; and
// unlike a process's lock it is no business of SQLite's own.
func lockInode(f *os.File) error {
	const ofdSetLock = 37 // F_OFD_SETLK of Linux, which package syscall lacks
	lock := syscall.Flock_t{Type: syscall.F_WRLCK, Whence: io.SeekStart, Start: 1<<62 - 1, Len: 1}
	err := syscall.FcntlFlock(f.Fd(), ofdSetLock, &lock)
	if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) {
		return ErrInUse
	}
	if err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	return nil
}

// names is how many names a file has: hard links count.
func names(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert // its type is another on other machines
	}
	return 1
}
