package probe

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// readHead reads up to the empty line that ends a header, at most maxHead
// bytes, into buf or a larger one. rest is what was read of the body by the way.
func readHead(r io.Reader, buf []byte) (head, rest []byte, err error) {
	for buf = buf[:0]; ; {
		if len(buf) == cap(buf) {
			if len(buf) >= maxHead {
				return nil, nil, fmt.Errorf("no complete header within %d KiB", maxHead>>10)
			}
			buf = append(make([]byte, 0, 4*cap(buf)), buf...)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		from := max(0, len(buf)-3) // the end may lie across two reads
		buf = buf[:len(buf)+n]
		if end := headEnd(buf, from); end >= 0 {
			return buf[:end], buf[end:], nil
		}
		if err != nil {
			return nil, nil, headFault(buf, err)
		}
	}
}

func headFault(buf []byte, err error) error {
	switch {
	case !errors.Is(err, io.EOF):
		return err
	case len(buf) == 0:
		return errors.New("closed the connection without an answer")
	}
	return fmt.Errorf("closed the connection within the header, after %d bytes", len(buf))
}

// headEnd is the length of the header with its empty line, or -1. Bare line
// feeds are taken as line ends too, RFC 9112 section 2.2.
func headEnd(buf []byte, from int) int {
	for i := from; i < len(buf); i++ {
		if buf[i] != '\n' {
			continue
		}
		after := bytes.TrimPrefix(buf[i+1:], []byte{'\r'})
		if len(after) > 0 && after[0] == '\n' {
			return len(buf) - len(after) + 1
		}
	}
	return -1
}

// parseStatus takes the status code of "HTTP/1.1 200 OK", RFC 9112 section 4.
func parseStatus(head []byte) (int, error) {
	line, _, _ := bytes.Cut(head, []byte{'\n'})
	line = bytes.TrimSuffix(line, []byte{'\r'})
	version, after, ok := bytes.Cut(line, []byte{' '})
	if ok && bytes.HasPrefix(version, []byte("HTTP/")) && len(after) >= 3 && (len(after) == 3 || after[3] == ' ') {
		if n, err := strconv.ParseUint(string(after[:3]), 10, 16); err == nil && n >= 100 {
			return int(n), nil
		}
	}
	return 0, fmt.Errorf("no HTTP status line but %.40q", line)
}

// contentLength is the value of Content-Length, or -1 without a usable one.
func contentLength(head []byte) int64 {
	for line := range bytes.Lines(head) {
		name, value, _ := bytes.Cut(line, []byte{':'})
		if !bytes.EqualFold(name, []byte("Content-Length")) {
			continue
		}
		if n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 62); err == nil {
			return int64(n)
		}
	}
	return -1
}

// bodyReader reads a body to its Content-Length or its end, at most maxBody
// bytes, and keeps the error that was not the end.
type bodyReader struct {
	rest   []byte // comes before r
	r      io.Reader
	length int64 // -1 unknown
	n      int64
	err    error
}

// Read implements io.Reader.
func (b *bodyReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.length >= 0 {
		p = p[:min(int64(len(p)), b.length-b.n)]
		if len(p) == 0 {
			return 0, io.EOF
		}
	}
	n, err := b.next(p)
	if b.n += int64(n); b.n > maxBody {
		err = fmt.Errorf("body is longer than %d MiB", maxBody>>20)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) { // a server that ends TCP without ending TLS
		err = io.EOF
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// next reads what stands first.
func (b *bodyReader) next(p []byte) (int, error) {
	if len(b.rest) == 0 {
		return b.r.Read(p)
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// shortfall tells of a body that ended before its Content-Length.
func (b *bodyReader) shortfall() string {
	if b.length < 0 || b.n == b.length {
		return ""
	}
	return fmt.Sprintf(" (Content-Length is %d, %d bytes came)", b.length, b.n)
}
