package look

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/doctor"
)

// tree is a machine's files.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func newLooker(t *testing.T, root string) *looker {
	t.Helper()
	const text = "vrrp_instance VI {\n interface eth0\n virtual_router_id 51\n virtual_ipaddress {\n 10.0.0.100/24\n }\n virtual_ipaddress_excluded {\n 2001:db8::100\n }\n}\n"
	cfg, list := confparse.Load(fstest.MapFS{"k": {Data: []byte(text)}}, "k", syntax.Env{})
	if cfg == nil {
		t.Fatal(list)
	}
	return &looker{Options: Options{Root: root}, Facts: &doctor.Facts{Config: cfg, Links: map[string]doctor.Link{"eth0": {Index: 2}, "eth1": {Index: 3}}}}
}

func TestStaticAddresses(t *testing.T) {
	l := newLooker(t, tree(t, map[string]string{
		"/etc/network/interfaces": "auto eth0\n# address 10.0.0.100\niface eth0 inet static\n\taddress 10.0.0.100/24\n\tgateway 10.0.0.254\n",
		"/etc/netplan/01.yaml":    "network:\n  ethernets:\n    eth0:\n      addresses:\n        - 10.0.0.1/24\n        - \"2001:db8::100/64\"\n",
		"/etc/netplan/02.yaml":    "      addresses: [10.0.0.2/24, 10.0.0.100/32]\n      gateway4: 10.0.0.100\n",
		"/etc/NetworkManager/system-connections/eth0.nmconnection": "[ipv4]\naddress1=10.0.0.100/24,10.0.0.254\nmethod=manual\n",
		"/etc/sysconfig/network-scripts/ifcfg-eth0":                "IPADDR=10.0.0.10\nIPADDR2=10.0.0.100\nGATEWAY=10.0.0.100\n",
		"/etc/rc.local":                                                 "#!/bin/sh\nip addr add 10.0.0.100/32 dev lo\nping 10.0.0.100\n",
		"/etc/systemd/network/10-eth0.network":                          "[Network]\nAddress=10.0.0.1/24\nGateway=10.0.0.100\n",
		"/etc/systemd/network/20-eth0.network":                          "[Network]\nAddress=10.0.0.100/24\n",
		"/etc/NetworkManager/system-connections/unrelated.nmconnection": "[ipv4]\naddress1=10.0.0.10/24\n",
	}))
	l.static()
	var got []string
	for _, s := range l.Static {
		got = append(got, s.Place+" "+s.Addr.String())
	}
	slices.Sort(got)
	want := []string{
		"/etc/NetworkManager/system-connections/eth0.nmconnection:2 10.0.0.100",
		"/etc/netplan/01.yaml:6 2001:db8::100",
		"/etc/netplan/02.yaml:1 10.0.0.100",
		"/etc/network/interfaces:4 10.0.0.100",
		"/etc/rc.local:2 10.0.0.100",
		"/etc/sysconfig/network-scripts/ifcfg-eth0:2 10.0.0.100",
		"/etc/systemd/network/20-eth0.network:2 10.0.0.100",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestUnitsAndNetworkd(t *testing.T) {
	l := newLooker(t, tree(t, map[string]string{
		"/etc/systemd/system/multi-user.target.wants/ipvsadm.service": "",
		"/etc/systemd/system/multi-user.target.wants/nginx.service":   "",
		"/etc/default/ipvsadm":           "# x\nAUTO=\"true\"\n",
		"/run/systemd/netif/links/2":     "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/a.network\n",
		"/run/systemd/netif/links/3":     "NETWORK_FILE=/etc/systemd/network/a.network\n",
		"/etc/systemd/network/a.network": "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.1/24\n",
	}))
	l.units()
	l.networkd()
	var got []string
	for _, o := range l.Others {
		got = append(got, o.Name+": "+o.What)
	}
	want := []string{
		"ipvsadm.service: enabled: /etc/systemd/system/multi-user.target.wants/ipvsadm.service",
		`ipvsadm: /etc/default/ipvsadm: AUTO="true"`,
		"systemd-networkd: /etc/systemd/network/a.network is for eth0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found %q", got)
	}
	kept := newLooker(t, tree(t, map[string]string{
		"/run/systemd/netif/links/2":     "NETWORK_FILE=/etc/systemd/network/a.network\n",
		"/etc/systemd/network/a.network": "[Network]\nKeepConfiguration=static\n",
		"/etc/default/ipvsadm":           "AUTO=\"false\"\n",
	}))
	kept.units()
	kept.networkd()
	if len(kept.Others) > 0 {
		t.Errorf("found %+v where all is well", kept.Others)
	}
}

func TestSocketAddr(t *testing.T) {
	for text, want := range map[string]string{
		"0100007F:0050": "127.0.0.1:80", "00000000:0016": "0.0.0.0:22",
		"B80D0120000000000000000001000000:1F90": "[2001:db8::1]:8080", "0100007F": "", "x:1": "", "01:1": "",
	} {
		at, ok := socketAddr(text)
		if ok != (want != "") || ok && at.String() != want {
			t.Errorf("%s is %v %v, want %s", text, at, ok, want)
		}
	}
}

// TestReplyIsRead: what is sent is what is read back, whatever the family.
func TestReplyIsRead(t *testing.T) {
	for _, pair := range [][2]string{{"10.0.0.1:4000", "10.0.0.100:80"}, {"[2001:db8::1]:4000", "[2001:db8::100]:80"}} {
		src, dst := netip.MustParseAddrPort(pair[0]), netip.MustParseAddrPort(pair[1])
		for flags, ok := range map[byte]bool{flagSYN: false, flagSYN | flagACK: true, flagRST: true, flagACK: false} {
			b := segment(src, dst, 5, flags)
			r, is := parseReply(b)
			if is != ok || ok && (r.from != src || r.to != dst) {
				t.Errorf("%v flags %#x: %v %+v", pair, flags, is, r)
			}
			if got := checksum(src.Addr(), dst.Addr(), 6, b[len(b)-20:]); got != 0 {
				t.Errorf("%v: the checksum is off by %#x", pair, got)
			}
		}
	}
}

func FuzzReply(f *testing.F) {
	f.Add(segment(netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.100:80"), 5, flagRST))
	f.Fuzz(func(_ *testing.T, b []byte) { parseReply(b) })
}
