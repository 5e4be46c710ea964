package capture

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// The format of pcap files: pcap-savefile(5).
const (
	pcapMicro  = 0xa1b2c3d4
	pcapNano   = 0xa1b23c4d
	pcapNG     = 0x0a0d0d0a // of pcapng, the first block
	pcapHeader = 24
	pcapRecord = 16
	// maxFrame bounds what a file may say of a frame's length: 256 KiB, the most
	// that tcpdump stores.
	maxFrame = 262144
)

// Reader reads the frames of a pcap file.
type Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	unit  time.Duration
	kind  LinkType
	buf   []byte
	n     int
}

// NewReader reads the header of a pcap file, of either byte order, with
// microseconds or nanoseconds.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{in: bufio.NewReader(in)}
	var h [pcapHeader]byte
	if _, err := io.ReadFull(r.in, h[:]); err != nil {
		return nil, errors.New("it is no pcap file: too short")
	}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		switch order.Uint32(h[:]) {
		case pcapMicro:
			r.order, r.unit = order, time.Microsecond
		case pcapNano:
			r.order, r.unit = order, time.Nanosecond
		case pcapNG:
			return nil, errors.New("it is a pcapng file: write it anew with tcpdump -r FILE -w OTHER, or editcap -F pcap")
		}
	}
	if r.order == nil {
		return nil, errors.New("it is no pcap file")
	}
	r.kind = LinkType(r.order.Uint32(h[20:]) & 0xffff)
	switch r.kind {
	case Ethernet, Raw, rawBSD, Cooked, Cooked2:
		return r, nil
	}
	return nil, fmt.Errorf("its link type is %d: Ethernet (1), raw IP (101) and Linux cooked (113, 276) are read", r.kind)
}

// Read is the next frame, which is overwritten by the one after; io.EOF ends.
func (r *Reader) Read(f *Frame) error {
	var h [pcapRecord]byte
	switch _, err := io.ReadFull(r.in, h[:]); {
	case err == io.EOF:
		return io.EOF
	case err != nil:
		return fmt.Errorf("frame %d is cut short: %w", r.n+1, err)
	}
	r.n++
	size, wire := r.order.Uint32(h[8:]), r.order.Uint32(h[12:])
	if size > maxFrame {
		return fmt.Errorf("frame %d says that it has %d bytes: the file is broken", r.n, size)
	}
	if cap(r.buf) < int(size) {
		r.buf = make([]byte, size)
	}
	r.buf = r.buf[:size]
	if _, err := io.ReadFull(r.in, r.buf); err != nil {
		return fmt.Errorf("frame %d is cut short: %w", r.n, err)
	}
	at := time.Unix(int64(r.order.Uint32(h[:])), int64(r.order.Uint32(h[4:]))*int64(r.unit))
	*f = Frame{At: at, Type: r.kind, Data: r.buf, Len: int(min(wire, maxFrame))}
	return nil
}

// Writer writes Ethernet frames to a pcap file.
type Writer struct{ out io.Writer }

// NewWriter writes the header of a pcap file with nanoseconds.
func NewWriter(out io.Writer) (*Writer, error) {
	var h [pcapHeader]byte
	o := binary.LittleEndian
	o.PutUint32(h[:], pcapNano)
	o.PutUint16(h[4:], 2) // version 2.4
	o.PutUint16(h[6:], 4)
	o.PutUint32(h[16:], maxFrame)
	o.PutUint32(h[20:], uint32(Ethernet))
	_, err := out.Write(h[:])
	return &Writer{out}, err
}

// Write appends a frame.
func (w *Writer) Write(f *Frame) error {
	var h [pcapRecord]byte
	o := binary.LittleEndian
	o.PutUint32(h[:], uint32(f.At.Unix()))
	o.PutUint32(h[4:], uint32(f.At.Nanosecond()))
	o.PutUint32(h[8:], uint32(len(f.Data)))
	o.PutUint32(h[12:], uint32(max(f.Len, len(f.Data))))
	if _, err := w.out.Write(h[:]); err != nil {
		return err
	}
	_, err := w.out.Write(f.Data)
	return err
}
