package ipvsadm

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepgo/ipvsctl"
)

// book has no names but localhost and http.
type book struct{}

func (book) Host(name string) (netip.Addr, bool) {
	return netip.AddrFrom4([4]byte{127, 0, 0, 1}), name == "localhost"
}
func (book) Port(name string, protocol uint8) (uint16, bool) {
	return 80, name == "http" && protocol == protocolTCP
}
func (book) HostName(a netip.Addr) string {
	if a.IsLoopback() {
		return "localhost"
	}
	return ""
}
func (book) PortName(port uint16, protocol uint8) string {
	if port == 80 && protocol == protocolTCP {
		return "http"
	}
	return ""
}

func parse(t *testing.T, line string) (Command, error) {
	t.Helper()
	return Parse(append([]string{"ipvsadm"}, strings.Fields(line)...), book{})
}

func tcp(addr string) ipvsctl.ServiceKey {
	ap := netip.MustParseAddrPort(addr)
	return ipvsctl.ServiceKey{Protocol: protocolTCP, Addr: ap.Addr(), Port: ap.Port(), IPv6: ap.Addr().Is6()}
}

func TestParse(t *testing.T) {
	for line, want := range map[string]Command{
		"-A -t 10.0.0.1:http": {Verb: Add, Key: tcp("10.0.0.1:80"), Service: ipvsctl.Service{Scheduler: "wlc"}},
		"-At localhost:80 -srr -p60 -M 255.255.0.0": {Verb: Add, Key: tcp("127.0.0.1:80"),
			Service: ipvsctl.Service{Scheduler: "rr", Timeout: time.Minute, Netmask4: [4]byte{255, 255}}},
		"-E -f 010 -6 -s mh -b mh-port,mh-fallback": {Verb: Edit, Key: ipvsctl.ServiceKey{FWMark: 10, IPv6: true},
			Service: ipvsctl.Service{Scheduler: "mh", Flags: 0x18}},
		"-a -t [2001:db8::1]:80 -r 10.0.0.9:81 -i --tun-type gue --tun-port 6080 --tun-csum -w 7": {Verb: AddServer,
			Key: tcp("[2001:db8::1]:80"), Server: ipvsctl.DestKey{Addr: netip.MustParseAddr("10.0.0.9"), Port: 80},
			Destination: ipvsctl.Destination{Weight: 7, Forward: 2, TunnelType: 1, TunnelPort: 6080, TunnelFlags: 1}},
		"-d -t 10.0.0.1:80 -r 10.0.0.9": {Verb: DeleteServer, Key: tcp("10.0.0.1:80"),
			Server: ipvsctl.DestKey{Addr: netip.MustParseAddr("10.0.0.9"), Port: 80}},
		"--set 900 0 300": {Verb: SetTimeouts, Timeouts: ipvsctl.Timeouts{TCP: 900 * time.Second, UDP: 300 * time.Second}},
	} {
		got, err := parse(t, line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
		}
		want.Keyed = want.Key != ipvsctl.ServiceKey{}
		ignore := []cmp.Option{cmpopts.IgnoreFields(Command{}, "Sync"), cmpopts.EquateComparable(netip.Addr{})}
		if want.Verb < AddServer || want.Verb == SetTimeouts || want.Verb == DeleteServer {
			ignore = append(ignore, cmpopts.IgnoreFields(Command{}, "Destination"))
		}
		if want.Service.Scheduler == "" {
			ignore = append(ignore, cmpopts.IgnoreFields(Command{}, "Service"))
		}
		if diff := cmp.Diff(want, got, ignore...); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

func TestMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"-n -l":                              "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n",
		"-l --sta":                           "--sta: unknown option\n",
		"-l --numeric=3":                     "--numeric=3: option does not take an argument\n",
		"-A -t":                              "-t: missing argument\n",
		"-A -D -t 10.0.0.1:80":               "invalid option `-D'\n",
		"-A -t 10.0.0.1:0":                   "Zero port specified for non-persistent service\n",
		"-A -t 10.0.0.1:80 -w 1":             "Illegal 'weight' option with the 'add-service' command\n",
		"-D":                                 "You need to supply the 'service-address' option for the 'delete-service' command\n",
		"-A -6 -f 1":                         "-6 used before -f\n\n",
		"-l -c -t 10.0.0.1:80":               "The option 'service-address' conflicts with the 'connection' option in the 'list' command\n",
		"-l --timeout --stats":               "options conflicts in the list command\n",
		"-a -t 10.0.0.1:80 -r [::1]:80":      "Different address family is allowed only for tunneling servers\n",
		"-A -t 10.0.0.1:80 -s rr -b sh-port": "incompatible scheduler flag `sh-port'\n",
		"--set 1 2":                          "--set option requires 3 timeout values\n",
		"-C foo":                             "unexpected argument foo\n",
		"-A -t 256.0.0.1:80":                 "illegal virtual server address[:port] specified\n",
		"--start-daemon foo":                 "illegal start-daemon parameter specified\n",
	} {
		if _, err := parse(t, line); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func TestShort(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "        0", 99_999_999: " 99999999", 100_000_000: "  100000K", 999_999_999: "  999999K",
		1_000_000_000: "    1000M", 99_999_999_999: "   99999M", 100_000_000_000: "     100G",
		99_999_999_999_999: "   99999G", 100_000_000_000_000: "     100T",
	} {
		if got := short(n); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
}

func TestListing(t *testing.T) {
	server := func(addr string, d ipvsctl.Destination, active uint32) ipvsctl.ServerListing {
		ap := netip.MustParseAddrPort(addr)
		return ipvsctl.ServerListing{Key: ipvsctl.DestKey{Addr: ap.Addr(), Port: ap.Port()}, Destination: d, Load: ipvsctl.Load{Active: active}}
	}
	l := Listed{
		ServiceListing: ipvsctl.ServiceListing{Key: tcp("10.0.0.1:80"),
			Service: ipvsctl.Service{Scheduler: "sh", Flags: 0x11, Timeout: time.Minute, Netmask4: [4]byte{255, 255}}},
		Servers: []ipvsctl.ServerListing{
			server("192.168.0.1:80", ipvsctl.Destination{Weight: 1, Forward: 3}, 7),
			server("127.0.0.1:80", ipvsctl.Destination{Weight: 2, Forward: 2, TunnelType: 2}, 0),
		},
	}
	p := Printer{Names: book{}}
	got := p.Titles() + p.Service(p.Order([]Listed{l})[0]) + p.Saved(l)
	const want = `Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.0.0.1:http sh (sh-port) persistent 60 mask 255.255.0.0
  -> localhost:http               Tunnel  2      0          0         
  -> 192.168.0.1:http             Route   1      7          0         
-A -t 10.0.0.1:http -s sh -p 60 -M 255.255.0.0 -b sh-port
-a -t 10.0.0.1:http -r 192.168.0.1:http -g -w 1
-a -t 10.0.0.1:http -r localhost:http -i -w 2 --tun-type gre --tun-nocsum
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
}

func TestConnection(t *testing.T) {
	c, err := ParseConnection("TCP 0A090001 A674 0A090001 0050 0A090005 1F90 TIME_WAIT       118 sip abc")
	if err != nil {
		t.Fatal(err)
	}
	p := Printer{Show: Show{Numeric: true}}
	if got, want := p.Connection(c), "TCP 01:58  TIME_WAIT   10.9.0.1:42612     10.9.0.1:80        10.9.0.5:8080\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	p.Show.PersistentConn = true
	if got, want := p.Connection(c), "TCP 01:58  TIME_WAIT   10.9.0.1:42612     10.9.0.1:80        10.9.0.5:8080    sip                abc\n"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	mark, err := ParseConnection("IP  C0A80109 0000 00000008 0000 0A01000C 0000 ASSURED         298")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Connection(mark), "IP  04:58  ASSURED     192.168.1.9:0      0.0.0.8:0          10.1.0.12:0\n"; got != want {
		t.Errorf("of a mark: got  %q\nwant %q", got, want)
	}
	for _, bad := range []string{"", "TCP 0A", "TCP 0A0900 A674 0A090001 0050 0A090005 1F90 X 118", "TCP 0A090001 A674 0A090001 0050 0A090005 1F90 X y"} {
		if _, err := ParseConnection(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-A -t 10.0.0.1:80 -p")
	f.Add("-a -t=[::1]:80 -r -6 --tun-type gue")
	f.Fuzz(func(t *testing.T, line string) {
		c, err := parse(t, line)
		if err == nil && c.Verb <= Delete && c.Keyed && c.Key.FWMark == 0 && !c.Key.Addr.IsValid() {
			t.Errorf("%q names no service: %+v", line, c)
		}
	})
}
