package tool

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

// table is a kernel that knows changes alone.
type table struct {
	Kernel
	ops     []string
	flushed bool
	stand   []ipvsctl.ServiceKey
	err     error
}

func (k *table) Apply(op ipvsctl.Op) error {
	if k.err == nil {
		k.ops = append(k.ops, op.String())
	}
	return k.err
}
func (k *table) Flush() error { k.flushed = true; return nil }
func (k *table) Close()       {}
func (k *table) Services() (list []ipvsctl.ServiceListing, err error) {
	for _, key := range k.stand {
		list = append(list, ipvsctl.ServiceListing{Key: key})
	}
	return list, nil
}

// daemon holds one service.
type daemon struct{ told []string }

func (d *daemon) Holder(k ipvsctl.ServiceKey) string {
	if k.String() == "[10.0.0.1]:tcp:80" {
		return "the daemon"
	}
	return ""
}

func (d *daemon) Tell(k ipvsctl.ServiceKey) error {
	d.told = append(d.told, k.String())
	return nil
}

func (k *table) run(d *daemon, in, line string) (int, string) {
	var errs bytes.Buffer
	t := Tool{Open: func() (Kernel, error) { return k, nil }, Names: &SystemNames{}, Guard: d,
		In: strings.NewReader(in), Out: &errs, Errs: &errs}
	return t.Run(append([]string{"ipvsadm"}, strings.Fields(line)...)), errs.String()
}

func TestWhatTheDaemonHoldsIsChangedByForceOnly(t *testing.T) {
	k, d := &table{stand: []ipvsctl.ServiceKey{mine}}, &daemon{}
	for _, line := range []string{"-D -t 10.0.0.1:80", "-e -t 10.0.0.1:80 -r 10.0.0.9", "-C"} {
		if code, text := k.run(d, "", line); code != 2 || !strings.Contains(text, "[10.0.0.1]:tcp:80 belongs to the daemon") {
			t.Errorf("%s: %d %s", line, code, text)
		}
	}
	if code, text := k.run(d, "-A -t 10.0.0.2:80\n-D -t 10.0.0.1:80\n-A -t 10.0.0.3:80\n", "-R"); code != 2 {
		t.Errorf("-R: %d %s", code, text)
	}
	if code, text := k.run(d, "", "-D -t 10.0.0.1:80 --force"); code != 0 || text != "" {
		t.Errorf("forced: %d %s", code, text)
	}
	if want := []string{"add service [10.0.0.2]:tcp:80", "delete service [10.0.0.1]:tcp:80"}; !slices.Equal(k.ops, want) || k.flushed {
		t.Errorf("done %q, flushed %v, want %q", k.ops, k.flushed, want)
	}
	if want := []string{"[10.0.0.1]:tcp:80"}; !slices.Equal(d.told, want) {
		t.Errorf("told %q, want %q", d.told, want)
	}
}

// TestClearByForceTellsTheDaemon of each service that it held.
func TestClearByForceTellsTheDaemon(t *testing.T) {
	other := mine
	other.Port = 81
	k, d := &table{stand: []ipvsctl.ServiceKey{other, mine}}, &daemon{}
	if code, text := k.run(d, "", "-C --force"); code != 0 || text != "" || !k.flushed {
		t.Errorf("%d %s, flushed %v", code, text, k.flushed)
	}
	if want := []string{"[10.0.0.1]:tcp:80"}; !slices.Equal(d.told, want) {
		t.Errorf("told %q, want %q", d.told, want)
	}
}

var mine = ipvsctl.ServiceKey{Protocol: 6, Addr: netip.MustParseAddr("10.0.0.1"), Port: 80}

func TestMessages(t *testing.T) {
	for err, want := range map[unix.Errno]string{
		unix.ESRCH: "No such service", unix.EPERM: "Permission denied (you must be root)", unix.ENODEV: "No such device",
	} {
		k := &table{err: errors.Join(err)}
		if code, text := k.run(&daemon{}, "", "-D -t 10.0.0.2:80"); code != 255 || text != want+"\n" {
			t.Errorf("%v: %d %q, want %q", err, code, text, want)
		}
	}
}
