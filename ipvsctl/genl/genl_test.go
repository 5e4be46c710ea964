package genl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/mdlayher/genetlink"
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

// FuzzDecodeService: no answer of a kernel panics, and what is read is
// canonical.
func FuzzDecodeService(f *testing.F) {
	ae := netlink.NewAttributeEncoder()
	ae.Nested(attrService, func(ae *netlink.AttributeEncoder) error {
		encodeService(ae, ipvsctl.Service{Scheduler: "rr", Timeout: 1e9, Flags: 1, Engine: "sip"}, false)
		return nil
	})
	attrs, err := ae.Encode()
	if err != nil {
		f.Fatal(err)
	}
	seed, _ := genetlink.Message{Header: genetlink.Header{Command: cmdNewService, Version: 1}, Data: attrs}.MarshalBinary()
	f.Add(seed, false)
	f.Add(seed, true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, b []byte, ipv6 bool) {
		k := ipvsctl.ServiceKey{Protocol: 6, Addr: netip.IPv4Unspecified(), IPv6: ipv6}
		if s, err := decodeService(b, k); err == nil && s != s.Canonical(ipv6) {
			t.Errorf("%+v is not canonical", s)
		}
	})
}
