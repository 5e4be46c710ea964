package linkbeat

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Requests of linux/sockios.h and linux/ethtool.h, registers of linux/mii.h.
const (
	getPHY     = 0x8947 // SIOCGMIIPHY
	getReg     = 0x8948 // SIOCGMIIREG
	ethtool    = 0x8946 // SIOCETHTOOL
	getLink    = 0x0a   // ETHTOOL_GLINK
	control    = 0      // MII_BMCR
	status     = 1      // MII_BMSR
	linkStatus = 0x0004 // BMSR_LSTATUS
)

// ifreq is struct ifreq of linux/if.h: its union holds a pointer, flags, or
// struct mii_ioctl_data.
type ifreq struct {
	name  [unix.IFNAMSIZ]byte
	union [24]byte
}

// phy is struct mii_ioctl_data of linux/mii.h.
type phy struct{ id, register, in, out uint16 }

// kernel asks through a socket.
type kernel struct{ fd int }

// request does one ioctl(2) with the size bytes at union as that of its ifreq,
// where the answer stands afterwards.
func (k kernel) request(link string, what uintptr, union unsafe.Pointer, size uintptr) error {
	var r ifreq
	copy(r.name[:unix.IFNAMSIZ-1], link)
	copy(r.union[:], unsafe.Slice((*byte)(union), size))
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(k.fd), what, uintptr(unsafe.Pointer(&r)))
	if errno != 0 {
		return errno
	}
	copy(unsafe.Slice((*byte)(union), size), r.union[:])
	return nil
}

// ask asks an interface in one way.
func (k kernel) ask(link string, m Method) (up bool, err error) {
	switch m {
	case MII:
		return k.mii(link)
	case Ethtool:
		return k.ethtool(link)
	}
	var flags uint16
	err = k.request(link, unix.SIOCGIFFLAGS, unsafe.Pointer(&flags), unsafe.Sizeof(flags))
	const both = unix.IFF_UP | unix.IFF_RUNNING
	return flags&both == both, err
}

func (k kernel) mii(link string) (bool, error) {
	var p phy
	if err := k.request(link, getPHY, unsafe.Pointer(&p), unsafe.Sizeof(p)); err != nil {
		return false, err
	}
	return readStatus(func(register uint16) (uint16, error) {
		q := phy{id: p.id, register: register}
		err := k.request(link, getReg, unsafe.Pointer(&q), unsafe.Sizeof(q))
		return q.out, err
	})
}

// readStatus reads the status of a transceiver. A lost link is latched until it
// is read once: of two readings one that has it is enough (IEEE 802.3 clause
// 22.2.4.2.13). A register of ones, or a status of zeros, is nobody's.
func readStatus(read func(register uint16) (uint16, error)) (up bool, err error) {
	mode, err := read(control)
	if err != nil {
		return false, err
	}
	first, err := read(status)
	if err != nil {
		return false, err
	}
	if mode == 0xffff || first == 0 {
		return false, unix.ENXIO
	}
	second, err := read(status)
	return (first|second)&linkStatus != 0, err
}

func (k kernel) ethtool(link string) (bool, error) {
	value := &struct{ command, data uint32 }{command: getLink}
	var pin runtime.Pinner // the kernel finds it through an address among bytes
	pin.Pin(value)
	defer pin.Unpin()
	pointer := unsafe.Pointer(value)
	err := k.request(link, ethtool, unsafe.Pointer(&pointer), unsafe.Sizeof(pointer))
	return value.data != 0, err
}
