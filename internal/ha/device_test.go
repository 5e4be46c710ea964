package ha

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"keepgo/confparse"
)

func vip4(prefix, link string) confparse.Address {
	return confparse.Address{Prefix: netip.MustParsePrefix(prefix), Interface: link}
}

func onVMAC(a confparse.Address) confparse.Address {
	a.UseVMAC = true
	return a
}

// carriers are the devices of an instance and what carries its addresses.
func carriers(in *Instance) string {
	var words []string
	for _, d := range in.Devices() {
		words = append(words, fmt.Sprintf("%s/%s/%v/%v/%x", d.Parent, d.Prefix, d.IPv6, d.NoIPv6, d.MAC))
	}
	return strings.Join(append(words, fmt.Sprint(in.Carriers)), " ")
}

// TestWhatCarriesAddresses follows what keepalived 2.2.7 makes of these.
func TestWhatCarriesAddresses(t *testing.T) {
	const zero = "000000000000"
	excluded := []confparse.Address{vip4("10.1.0.1/24", "eth1"), vip4("fd00::1/64", "eth0"), vip4("fd00::2/64", "eth1"), vip4("10.1.0.2/24", "eth1")}
	for _, tt := range []struct {
		name string
		set  func(*confparse.Instance)
		want string
	}{
		{"nothing", func(*confparse.Instance) {}, "[]"},
		{"use_vmac", func(c *confparse.Instance) { c.UseVMAC = true }, "eth0/vrrp/false/false/" + zero + " [1 0 0 0 0]"},
		{"use_vmac_addr", func(c *confparse.Instance) { c.VMAC.Addresses = true },
			"eth1/xtra/false/true/" + zero + " eth0/xtra/true/false/" + zero + " eth1/xtra/true/false/" + zero + " [0 2 3 4 2]"},
		{"both", func(c *confparse.Instance) { c.UseVMAC, c.VMAC.Addresses = true, true },
			"eth0/vrrp/false/false/" + zero + " eth1/xtra/false/true/" + zero + " eth0/xtra/true/false/" + zero + " eth1/xtra/true/false/" + zero + " [1 2 3 4 2]"},
		{"of one address", func(c *confparse.Instance) { c.Addresses[0].UseVMAC = true }, "eth0/xtra/false/true/" + zero + " [2 0 0 0 0]"},
		{"of one address beside its own", func(c *confparse.Instance) {
			c.UseVMAC, c.Addresses[0].UseVMAC, c.Excluded[3] = true, true, onVMAC(c.Excluded[3])
		}, "eth0/vrrp/false/false/" + zero + " eth1/xtra/false/true/" + zero + " [1 0 0 0 2]"},
		{"a MAC of its own", func(c *confparse.Instance) {
			c.UseVMAC, c.VMAC.Addresses, c.VMAC.MAC = true, true, []byte{2, 1, 1, 1, 1}
		}, "eth0/vrrp/false/false/020101010101 eth1/xtra/false/true/020101010101 eth0/xtra/true/false/" + zero + " eth1/xtra/true/false/" + zero + " [1 2 3 4 2]"},
	} {
		in := instance("A", 1)
		in.Excluded = append(in.Excluded, excluded...)
		tt.set(in)
		cfg := &confparse.Config{Instances: []*confparse.Instance{in}}
		cfg.Global.VMACPrefix, cfg.Global.VMACAddrPrefix = "vrrp", "xtra"
		if got := carriers(Build(cfg).Instances[0]); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestExtraDevices(t *testing.T) {
	in := instance("A", 1)
	in.VMAC.Addresses = true
	in.Excluded = []confparse.Address{vip4("10.1.0.1/24", "eth1")}
	cfg := &confparse.Config{Instances: []*confparse.Instance{in}}
	d := newDesk(t, cfg, "eth0", "eth1")
	d.step(Event{Kind: EventStart})
	d.until(4 * time.Second)
	if got := len(d.node.Addresses(1)); d.state(0) != "MASTER" || got != 1 {
		t.Fatalf("%s with %d addresses before there is a VMAC", d.state(0), got)
	}
	key, vmac := DeviceKey{Parent: "eth1"}, Link{Name: "vrrp.1", Index: 7}
	same(t, d.step(Event{Kind: EventDevice, ID: 1, Device: key, Link: vmac}), "A holds 2")
	if a := d.node.Addresses(1); a[0].Link != "eth0" || a[1].Link != "vrrp.1" {
		t.Errorf("addresses %v", a)
	}
	vmac.Exists = true
	if d.step(Event{Kind: EventLink, Link: vmac}); d.state(0) != "MASTER" {
		t.Error("a VMAC that comes up by and by is a fault")
	}
	vmac.Up = true
	d.step(Event{Kind: EventLink, Link: vmac})
	vmac.Up = false
	if d.step(Event{Kind: EventLink, Link: vmac}); d.state(0) != "FAULT" {
		t.Errorf("with a VMAC that went down it is %s", d.state(0))
	}
	vmac.Up = true
	d.step(Event{Kind: EventLink, Link: vmac})
	d.until(4 * time.Second)
	d.step(Event{Kind: EventDevice, ID: 1, Device: key})
	if got := len(d.node.Addresses(1)); d.state(0) != "MASTER" || got != 1 {
		t.Errorf("%s with %d addresses while the VMAC is made again", d.state(0), got)
	}
	d.step(Event{Kind: EventDevice, ID: 1, Device: key, Link: vmac})
	d.step(Event{Kind: EventReload, Plan: Build(cfg)})
	if got := len(d.node.Addresses(1)); got != 2 {
		t.Errorf("%d addresses after a reload that changed nothing", got)
	}
	with := *in
	with.VMAC.Addresses = false
	d.step(Event{Kind: EventReload, Plan: Build(&confparse.Config{Instances: []*confparse.Instance{&with}})})
	if a := d.node.Addresses(1); len(d.node.Devices(1)) != 0 || a[1].Link != "eth1" {
		t.Errorf("devices %v, addresses %v after a reload without", d.node.Devices(1), a)
	}
}
