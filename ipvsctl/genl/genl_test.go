package genl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"keepgo/ipvsctl"
)

func TestOpenWithoutIPVS(t *testing.T) {
	d, err := Open(Options{})
	if err == nil {
		d.Close()
		t.Skip("this kernel has IPVS")
	}
	if !errors.Is(err, ErrNoIPVS) || !strings.Contains(err.Error(), "modprobe ip_vs") {
		t.Errorf("error %v", err)
	}
}

func TestRefusalsNameTheirCause(t *testing.T) {
	add := ipvsctl.Op{Kind: ipvsctl.AddDest, Service: tcp("10.0.0.1:80"), Dest: dest("10.0.1.1:80")}
	other := add
	other.Dest = dest("[2001:db8::1]:80")
	other.Destination.Forward = ipvsctl.ForwardTunnel
	gue := add
	gue.Destination = ipvsctl.Destination{Forward: ipvsctl.ForwardTunnel, TunnelType: ipvsctl.TunnelGUE}
	service := ipvsctl.Op{Kind: ipvsctl.EditService, Service: tcp("10.0.0.1:80"),
		Definition: ipvsctl.Service{Scheduler: "rr", Engine: "sip"}}
	for _, c := range []struct {
		op   ipvsctl.Op
		err  unix.Errno
		want string
	}{
		{add, unix.EPERM, "CAP_NET_ADMIN"},
		{add, unix.ENOMEM, "memory"},
		{add, unix.ERANGE, "weight"},
		{add, unix.EINVAL, "unicast"},
		{other, unix.EINVAL, "lvs_sync_daemon"},
		{gue, unix.EINVAL, "needs a port"},
		{service, unix.ENOENT, "ip_vs_pe_sip"},
		{service, unix.EINVAL, "persistence_granularity"},
		{service, unix.EAFNOSUPPORT, "CONFIG_IP_VS_IPV6"},
		{service, unix.EIO, "cannot edit service [10.0.0.1]:tcp:80: input/output error"},
	} {
		err := explain(c.op, &netlink.OpError{Op: "receive", Err: c.err})
		if !strings.Contains(err.Error(), c.want) || !errors.Is(err, c.err) {
			t.Errorf("%v: %v does not say %q", c.err, err, c.want)
		}
	}
}

func TestSyncErrorsNameTheirCause(t *testing.T) {
	for err, want := range map[error]string{
		unix.EPERM:         "IPVS: cannot start the master sync daemon on eth0: operation not permitted: this needs root, or the capability CAP_NET_ADMIN",
		unix.EADDRNOTAVAIL: "IPVS: cannot start the master sync daemon on eth0: cannot assign requested address: the interface has no address of the group's family yet",
		unix.EIO:           "IPVS: cannot start the master sync daemon on eth0: input/output error",
	} {
		e := &SyncError{Role: ipvsctl.SyncMaster, Start: true, Link: "eth0", Err: err}
		if e.Error() != want || !errors.Is(e, err) {
			t.Errorf("%q, want %q", e, want)
		}
	}
}

func TestEventsInOneLine(t *testing.T) {
	ops := []ipvsctl.Op{{Kind: ipvsctl.AddService, Service: tcp("10.0.0.1:80")}}
	for _, c := range []struct {
		e    Event
		want string
	}{
		{Event{Kind: Failed, Err: unix.EIO}, "input/output error"},
		{Event{Kind: Recovered}, "IPVS table: as it should be again"},
		{Event{Kind: Recovered, Service: tcp("10.0.0.1:80")}, "IPVS service [10.0.0.1]:tcp:80: as it should be again"},
		{Event{Kind: Recovered, Part: PartSync}, "IPVS sync daemon: as it should be again"},
		{Event{Kind: Repaired, Ops: ops, Times: 1}, "IPVS was changed by another hand and is put back: add service [10.0.0.1]:tcp:80"},
		{Event{Kind: Repaired, Part: PartTimeouts, Was: "tcp 1", Times: 8},
			"IPVS was changed by another hand and is put back (time 8 in a row: another program keeps at it): timeouts, found tcp 1"},
	} {
		if got := c.e.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestManyRefusalsAreCutShort(t *testing.T) {
	var errs []error
	for i := range 1000 {
		errs = append(errs, fmt.Errorf("error %d", i))
	}
	if got, want := joined(errs).Error(), "error 0\nerror 1\nerror 2\nerror 3\nerror 4\nand 995 more like these"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := joined(nil); err != nil {
		t.Errorf("error %v of none", err)
	}
}

func TestOpWithoutAddressIsRefused(t *testing.T) {
	_, err := (&conn{}).encode(ipvsctl.Op{Kind: ipvsctl.AddDest, Service: tcp("10.0.0.1:80"), Dest: ipvsctl.DestKey{Port: 1}})
	if !errors.Is(err, unix.EDESTADDRREQ) {
		t.Errorf("error %v", err)
	}
}

// FuzzDecode: no answer of a kernel panics, and what is read is canonical.
func FuzzDecode(f *testing.F) {
	for _, ae := range []*netlink.AttributeEncoder{
		nested(attrService, func(ae *netlink.AttributeEncoder) {
			encodeKey(ae, tcp("10.0.0.1:80"))
			encodeService(ae, ipvsctl.Service{Scheduler: "rr", Timeout: 1e9, Flags: 1, Engine: "sip"}, false)
		}),
		nested(attrDest, func(ae *netlink.AttributeEncoder) {
			encodeDestKey(ae, dest("[2001:db8::1]:80"))
			encodeDest(ae, ipvsctl.Destination{Weight: 1, Forward: ipvsctl.ForwardTunnel, TunnelType: 1, TunnelPort: 2})
		}),
		daemonRequest(ipvsctl.SyncMaster, &ipvsctl.Sync{Link: "eth0", ID: 1, MaxLen: 2, Group: netip.MustParseAddr("ff02::1"), Port: 3, TTL: 4}),
	} {
		m, err := request(1, 1, 0, ae)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Data)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, s, err := decodeService(b); err == nil && (k != k.Canonical() || s != s.Canonical(k.IPv6)) {
			t.Errorf("%+v, %+v is not canonical", k, s)
		}
		if _, d, err := decodeDest(b, false); err == nil && d != d.Canonical() {
			t.Errorf("%+v is not canonical", d)
		}
		decodeDaemon(b)
	})
}

func nested(typ uint16, f func(*netlink.AttributeEncoder)) *netlink.AttributeEncoder {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(typ, func(ae *netlink.AttributeEncoder) error { f(ae); return nil })
	return ae
}
