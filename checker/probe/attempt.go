package probe

import (
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"keepgo/checker"
)

// attempt is a plain probe under way: a connection, and with HTTP a request and
// an answer that is not searched. It needs no goroutine: whoever finds its socket
// ready lets it advance.
type attempt struct {
	task  *task
	check *checker.Check
	step  int       // index of its request
	start time.Time // when its batch had begun

	fd        int
	connected bool
	sent      bool      // the request
	buf       *[]byte   // that got is in, at first
	got       []byte    // of the answer
	need      int64     // bytes of the whole answer, 0 before they are known
	limit     time.Time // of what is waited for now
	end       time.Time // of all

	place   int  // in the poller, -1 while it is not there
	dropped bool // nobody wants to hear of it
}

const (
	// maxRequest is what surely fits into the buffer of a new socket: tcp(7),
	// tcp_wmem.
	maxRequest = 4096
	// maxKept is how much of an answer is kept until it is complete. A longer one
	// is read by a goroutine that keeps nothing.
	maxKept = 64 << 10
)

// plain says that an attempt makes the step-th probe of c.
func plain(c *checker.Check, step int) bool {
	p := &c.Probe
	if p.BindLink != "" && p.Target.Addr().IsLinkLocalUnicast() { // to look the link up takes its time
		return false
	}
	switch {
	case p.Kind == checker.TCP:
		return true
	case p.Kind != checker.HTTP || p.Web == nil || p.Web.TLS != nil || step >= len(p.Web.URLs):
		return false
	}
	url := &p.Web.URLs[step]
	return url.Regex == nil && len(url.Path)+len(url.Host) < maxRequest/2
}

// begin begins to connect. The outcome counts if it is over.
func (a *attempt) begin(now time.Time) (o checker.Outcome, over bool) {
	fd, pending, err := begin(&a.check.Probe, unix.SOCK_STREAM, 0)
	if err != nil {
		return a.failed(err), true
	}
	a.fd, a.limit, a.end = fd, now.Add(a.check.Timeout), now.Add(4*a.check.Timeout+a.check.Interval)
	if pending {
		return o, false
	}
	return a.advance(unix.POLLOUT)
}

// advance goes on as far as it goes without waiting. ready is what poll(2) says
// of the socket; epoll(7) has the same bits.
func (a *attempt) advance(ready uint32) (o checker.Outcome, over bool) {
	if !a.connected {
		if ready != unix.POLLOUT {
			if over, err := handshakeOver(a.fd); !over || err != nil {
				return a.failed(err), over
			}
		}
		a.connected = true
	}
	if a.check.Probe.Kind == checker.TCP {
		return tcpOutcome(a.check, nil), true
	}
	if !a.sent {
		return a.ask()
	}
	return a.hear()
}

func (a *attempt) url() *checker.URL { return &a.check.Probe.Web.URLs[a.step] }

// failed is the outcome where the connection does not come to stand.
func (a *attempt) failed(err error) checker.Outcome {
	if a.check.Probe.Kind == checker.TCP {
		return tcpOutcome(a.check, err)
	}
	return connectFailure(a.check, a.url(), err)
}

// ask sends the request.
func (a *attempt) ask() (checker.Outcome, bool) {
	text := request(a.check.Probe.Web.Protocol, a.url())
	n, err := writeRaw(a.fd, text)
	if err == nil && n < len(text) {
		err = unix.ENOBUFS
	}
	if err != nil {
		return broken("Timeout WEB write", a.check, a.url(), a.late(err)), true
	}
	a.sent, a.buf = true, buffers.Get().(*[]byte)
	a.got = (*a.buf)[:0]
	a.patient()
	return checker.Outcome{}, false
}

// patient gives what is waited for next its time.
func (a *attempt) patient() {
	a.limit = time.Now().Add(a.check.Timeout)
	if a.end.Before(a.limit) {
		a.limit = a.end
	}
}

// hear reads what there is, and judges the answer once it is complete.
func (a *attempt) hear() (checker.Outcome, bool) {
	for !a.long() {
		if len(a.got) == cap(a.got) {
			a.got = append(make([]byte, 0, 4*cap(a.got)), a.got...)
		}
		n, err := readRaw(a.fd, a.got[len(a.got):cap(a.got)])
		switch {
		case err == unix.EAGAIN:
			return checker.Outcome{}, false
		case err == unix.EINTR:
			continue
		case err != nil || n == 0:
			return a.judge(err), true
		}
		if a.take(n) {
			return a.judge(nil), true
		}
		a.patient()
	}
	return checker.Outcome{}, false
}

// long says that the answer is too long to be kept.
func (a *attempt) long() bool { return len(a.got) >= maxKept }

// take adds n bytes to what came, and tells whether it suffices.
func (a *attempt) take(n int) (complete bool) {
	from := max(0, len(a.got)-3) // the end of the header may lie across two reads
	a.got = a.got[:len(a.got)+n]
	if a.need == 0 {
		a.measure(headEnd(a.got, from))
	}
	return a.need > 0 && int64(len(a.got)) >= a.need
}

// measure finds out where the answer ends, from its header. Of one with a status
// that is not wanted the header suffices.
func (a *attempt) measure(head int) {
	if head < 0 {
		return
	}
	a.need = math.MaxInt64
	status, err := parseStatus(a.got[:head])
	if err != nil || !wanted(a.url().Status, status) {
		a.need = int64(head)
	} else if length := contentLength(a.got[:head]); length >= 0 && length < maxBody {
		a.need = int64(head) + length
	}
}

// judge is the outcome of an answer that ended with an error, or nil.
func (a *attempt) judge(err error) checker.Outcome {
	if err == nil {
		err = io.EOF
	}
	o := judge(&kept{a.got, a.late(err)}, a.check, a.url())
	a.free()
	return o
}

// free gives the buffer back.
func (a *attempt) free() {
	if a.buf != nil {
		buffers.Put(a.buf)
	}
	a.buf, a.got = nil, nil
}

// stream goes on with an answer that is too long to be kept, in a goroutine.
func (a *attempt) stream(ctx context.Context) checker.Outcome {
	s := wrap(ctx, a.fd, a.check.Probe.Target)
	defer s.Close()
	defer a.free()
	rest := &pacedConn{Conn: s, step: a.check.Timeout, end: a.end}
	return judge(io.MultiReader(bytes.NewReader(a.got), rest), a.check, a.url())
}

// late says it where the overall time was what ended a wait.
func (a *attempt) late(err error) error {
	if !time.Now().Before(a.end) {
		return errTooLong
	}
	return err
}

// expired is the outcome when the time of what was waited for is over.
func (a *attempt) expired() checker.Outcome {
	if !a.connected {
		return a.failed(os.ErrDeadlineExceeded)
	}
	return a.judge(os.ErrDeadlineExceeded)
}

// kept is an answer, and how it ended.
type kept struct {
	text []byte
	err  error
}

// Read implements io.Reader.
func (k *kept) Read(b []byte) (n int, err error) {
	if len(k.text) == 0 {
		return 0, k.err
	}
	n = copy(b, k.text)
	k.text = k.text[n:]
	return n, nil
}
