package probe

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls on sockets that never wait. The runtime is not told of them: it
// would look after the thread each time, with one of its own.

// closeRaw is close(2).
func closeRaw(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// connectRaw is connect(2) to an address, of zone if that is link-local.
func connectRaw(fd int, to netip.AddrPort, zone uint32) error {
	port := to.Port()<<8 | to.Port()>>8 // in the order of the network
	if to.Addr().Is4() {
		return connectTo(fd, unsafe.Pointer(&unix.RawSockaddrInet4{Family: unix.AF_INET, Port: port, Addr: to.Addr().As4()}), unix.SizeofSockaddrInet4)
	}
	return connectTo(fd, unsafe.Pointer(&unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: port, Addr: to.Addr().As16(), Scope_id: zone}), unix.SizeofSockaddrInet6)
}

func connectTo(fd int, to unsafe.Pointer, size uintptr) error {
	return wrong(unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(to), size))
}

// wrong is the error of a system call, nil for none.
func wrong(_, _ uintptr, errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// readRaw is read(2). b is not empty.
func readRaw(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// writeRaw is write(2). b is not empty.
func writeRaw(fd int, b []byte) (int, error) {
	n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// pollRaw is poll(2) without waiting: how many of fds are ready.
func pollRaw(fds []unix.PollFd) int {
	var none unix.Timespec
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds[0])), uintptr(len(fds)), uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
