package link

import (
	"slices"
	"testing"
)

func TestNames(t *testing.T) {
	tests := []struct {
		link Link
		want []string
	}{
		{Link{VRID: 51}, []string{"vrrp.51", "vrrp1.51", "vrrp2.51", "vrrp3.51"}},
		{Link{VRID: 51, IPv6: true}, []string{"vrrp.51", "vrrp6.51", "vrrp1.51", "vrrp2.51", "vrrp3.51", "vrrp4.51", "vrrp5.51", "vrrp7.51"}},
		{Link{VRID: 255, Prefix: "averylongprefix"}, []string{"averylongpr.255", "averylongp1.255"}},
	}
	for _, test := range tests {
		var got []string
		for range test.want {
			got = append(got, test.link.freeName(func(name string) bool { return slices.Contains(got, name) }))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%+v: got %v, want %v", test.link, got, test.want)
		}
	}
	if got := (Link{}).freeName(func(string) bool { return true }); got != "" {
		t.Errorf("all are taken, got %s", got)
	}
}

func TestMAC(t *testing.T) {
	if got := (Link{VRID: 51}).mac(); got != [6]byte{0, 0, 0x5e, 0, 1, 51} {
		t.Errorf("IPv4: %x", got)
	}
	if got := (Link{VRID: 51, IPv6: true}).mac(); got != [6]byte{0, 0, 0x5e, 0, 2, 51} {
		t.Errorf("IPv6: %x", got)
	}
	own := [6]byte{2, 1, 2, 3, 4, 5}
	if got := (Link{VRID: 51, MAC: own}).mac(); got != own {
		t.Errorf("given: %x", got)
	}
	if got := modified([6]byte{0x86, 0x60, 0x5c, 0x14, 0x8e, 0x0b}).String(); got != "fe80::8460:5cff:fe14:8e0b" {
		t.Errorf("link-local: %s", got)
	}
}

func TestPathsStayBelowNet(t *testing.T) {
	for path, ok := range map[string]bool{
		"net/ipv4/conf/eth0.5/rp_filter": true, "net/../kernel/panic": false, "kernel/panic": false, "/net/ipv4": false, "": false,
		"net/ipv4/../../../../etc/passwd": false,
	} {
		if validPath(path) != ok {
			t.Errorf("%q: valid %v", path, !ok)
		}
	}
}
