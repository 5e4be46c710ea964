package main

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"
)

// pageLimit bounds what a server may make genhash read, as it bounds a check.
const pageLimit = 64 << 20

// pageOptions are the options of genhash(1).
type pageOptions struct {
	server, url, host, protocol string
	port                        uint16
	tls, sni, verbose           bool
	mark                        uint32
	seconds                     uint
}

func genhashFlags(o *pageOptions) *pflag.FlagSet {
	f := newFlags("genhash")
	f.SortFlags = false
	f.StringVarP(&o.server, "server", "s", "", "`address` of the server")
	f.Uint16VarP(&o.port, "port", "p", 0, "its port")
	f.StringVarP(&o.url, "url", "u", "", "`path` of the page")
	f.BoolVarP(&o.tls, "use-ssl", "S", false, "over TLS")
	f.StringVarP(&o.host, "use-virtualhost", "V", "", "`name` to ask for")
	f.BoolVarP(&o.sni, "use-sni", "I", false, "say that name in the TLS handshake")
	f.Uint32VarP(&o.mark, "fwmark", "m", 0, "firewall mark of the packets")
	f.StringVarP(&o.protocol, "protocol", "P", "1.0", "`version` of HTTP: 1.0, 1.0c (with Connection: close) or 1.1")
	f.UintVarP(&o.seconds, "timeout", "t", 5, "`seconds` for all of it")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "show header and page as well")
	return f
}

// runGenhash is the verb genhash: what digest is to be in an HTTP_GET or
// SSL_GET, of a page as it is now.
func runGenhash(args []string, out, errs io.Writer) int {
	var o pageOptions
	f := genhashFlags(&o)
	if code, done := parse(f, args, errs); done {
		return code
	}
	if err := o.wrong(f.Args()); err != nil {
		fmt.Fprintf(errs, "keepgo genhash: %v\n%s", err, f.FlagUsages())
		return exitFaulty
	}
	began := time.Now()
	head, body, err := o.page()
	if err != nil {
		fmt.Fprintf(errs, "keepgo genhash: %v\n", err)
		return exitFaulty
	}
	digest := md5.Sum(body)
	if !o.verbose {
		fmt.Fprintf(out, "%x\n", digest)
		return exitOK
	}
	fmt.Fprintf(out, "%s\n%s\nMD5 of these %d bytes: %x\nGlobal response time for [%s] = %d usecs\n",
		head, hex.Dump(body), len(body), digest, o.url, time.Since(began).Microseconds())
	return exitOK
}

// wrong says what is wrong with the options.
func (o *pageOptions) wrong(rest []string) error {
	_, err := netip.ParseAddr(o.server)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("what is %q?", rest[0])
	case o.server == "" || o.port == 0 || o.url == "":
		return errors.New("it needs -s address -p port -u path")
	case err != nil:
		return fmt.Errorf("server should be an IP, not %s", o.server)
	case strings.ContainsAny(o.url+o.host, " \r\n"):
		return errors.New("blanks cannot stand in a path or a name")
	case o.protocol != "1.0" && o.protocol != "1.0c" && o.protocol != "1.1":
		return fmt.Errorf("HTTP %s: 1.0, 1.0c or 1.1", o.protocol)
	}
	return nil
}

// request is what a check asks with.
func (o *pageOptions) request() string {
	host := o.host
	if host == "" {
		host = o.at()
	}
	text := "GET " + o.url + " HTTP/" + strings.TrimSuffix(o.protocol, "c") + "\r\nUser-Agent: KeepAliveClient\r\n"
	if o.protocol != "1.0" {
		text += "Connection: close\r\n"
	}
	return text + "Host: " + host + "\r\n\r\n"
}

func (o *pageOptions) at() string { return net.JoinHostPort(o.server, strconv.Itoa(int(o.port))) }

// page gets the page: its header, and its body as a check takes it, up to the
// Content-Length.
func (o *pageOptions) page() (head, body []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(o.seconds)*time.Second)
	defer cancel()
	conn, err := o.dial(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	_ = conn.SetDeadline(end)
	if _, err = io.WriteString(conn, o.request()); err != nil {
		return nil, nil, err
	}
	return split(io.LimitReader(conn, pageLimit))
}

// split reads an answer to its end, or to that of its body.
func split(r io.Reader) (head, body []byte, err error) {
	var all bytes.Buffer
	for err == nil {
		_, err = io.CopyN(&all, r, 1)
		if bytes.HasSuffix(all.Bytes(), []byte("\r\n\r\n")) {
			break
		}
	}
	if err != nil {
		return nil, nil, fmt.Errorf("the answer has no header: %w", err)
	}
	for line := range strings.Lines(all.String()) {
		name, value, _ := strings.Cut(line, ":")
		if n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64); err == nil && n >= 0 && strings.EqualFold(name, "Content-Length") {
			r = io.LimitReader(r, n)
		}
	}
	body, err = io.ReadAll(r)
	return all.Bytes(), body, err
}

// dial connects, over TLS where that is asked for. Who answers is not verified,
// as a check does not.
func (o *pageOptions) dial(ctx context.Context) (net.Conn, error) {
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		if o.mark == 0 {
			return nil
		}
		failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(o.mark)) })
		return errors.Join(failed, err)
	}}
	conn, err := d.DialContext(ctx, "tcp", o.at())
	if err != nil || !o.tls {
		return conn, err
	}
	config := tls.Config{InsecureSkipVerify: true} //nolint:gosec // of a page in the making
	if o.sni {
		config.ServerName = o.host
	}
	s := tls.Client(conn, &config)
	if err := s.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return s, nil
}
