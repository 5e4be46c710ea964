package importer

import (
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/lb"
	"keepgo/ipvsctl"
)

// numbers are no names at all.
type numbers struct{}

func (numbers) Host(string) (netip.Addr, bool)    { return netip.Addr{}, false }
func (numbers) Port(string, uint8) (uint16, bool) { return 0, false }
func (numbers) HostName(netip.Addr) string        { return "" }
func (numbers) PortName(uint16, uint8) string     { return "" }

// programmed is the table that a configuration programs while every server is
// up. No fault is expected.
func programmed(t *testing.T, text string) ipvsctl.Table {
	t.Helper()
	cfg, errs := confparse.Load(fstest.MapFS{"k": {Data: []byte(text)}}, "k", syntax.Env{})
	if len(errs) > 0 {
		t.Fatalf("%v in:\n%s", errs, text)
	}
	plan, faults := lb.Build(cfg)
	if len(faults) > 0 {
		t.Fatalf("%v in:\n%s", faults, text)
	}
	n, _ := lb.NewNode(plan, nil)
	table := ipvsctl.Table{}
	for i, s := range plan.Services {
		k := s.Key.Canonical()
		table[k] = n.Want(i).Canonical(k)
	}
	return table
}

var equal = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, ipvsctl.ServiceKey{}, ipvsctl.DestKey{})}

const saved = `# a comment
-A -t 10.0.0.1:80 -s wrr
-a -t 10.0.0.1:80 -r 10.0.1.1:80 -g -w 3
-a -t 10.0.0.1:80 -r 10.0.1.2:80 -g -w 0
-a -t 10.0.0.1:80 -r 10.0.1.3:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum
-a -t 10.0.0.1:80 -r 10.0.1.4:80 -i -w 1 --tun-type gre --tun-nocsum

-A -t 10.0.0.2:0 -s rr -p 600 -M 255.255.255.0
-a -t 10.0.0.2:0 -r 10.0.1.1:0 -g -w 1
ipvsadm -A -u 10.0.0.1:5060 -s sh -p 30 --pe sip -o -b sh-port
-a -u 10.0.0.1:5060 -r 10.0.1.1:5061 -m -w 1 -x 100 -y 50
-A --sctp-service 10.0.0.1:9 -s mh -b mh-fallback,mh-port
-a --sctp-service 10.0.0.1:9 -r 10.0.1.1:9 -i -w 1 --tun-type ipip
-A -t [2001:db8::1]:443 -s lc -p 60 -M 64
-a -t [2001:db8::1]:443 -r [2001:db8::2]:8443 -m -w 7
-A -f 8 -s wlc
-a -f 8 -r 10.0.1.1:0 -g -w 1
-A -f 9 -6 -s rr -b flag-1,flag-3
-a -f 9 -6 -r [2001:db8::2]:0 -g -w 1
`

func TestCommandsBecomeTheSameTable(t *testing.T) {
	src, err := FromCommands("saved", saved, numbers{})
	if err != nil {
		t.Fatal(err)
	}
	if len(src.Table) != 7 {
		t.Fatalf("%d services", len(src.Table))
	}
	if diff := cmp.Diff(src.Table, programmed(t, src.Text()), equal); diff != "" {
		t.Errorf("source and what it programs (-want +got):\n%s\nfrom:\n%s", diff, src.Text())
	}
}

func TestCommandsThatAreWrong(t *testing.T) {
	_, err := FromCommands("f", "-A -t 10.0.0.1:80\n-a -t 10.0.0.2:80 -r 1.1.1.1\n-l\n-A -t nowhere:80\n", numbers{})
	if err == nil {
		t.Fatal("all is taken")
	}
	for _, want := range []string{"f:2: [10.0.0.2]:tcp:80 is not added before", "f:3: list is nothing that ipvsadm saves", "f:4: illegal virtual server"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not said: %v", want, err)
		}
	}
}

const script = `#!/bin/bash
VIP=192.168.0.100
CPORT=80
FAIL_BACK=127.0.0.1
RS=("192.168.0.7" "192.168.0.8")
declare -a RSSTATUS
RW=("2" "1")
RPORT=80
TYPE=g
CHKLOOP=3
add () {
  ipvsadm -a -t $VIP:$CPORT -r $1:$RPORT -$TYPE -w $2
  [ $? -eq 0 ] && return 0 || return 1
}
`

func TestScript(t *testing.T) {
	if !IsScript(script) || IsScript(saved) {
		t.Error("a script is not told from saved commands")
	}
	src, err := FromScript("health.sh", script)
	if err != nil {
		t.Fatal(err)
	}
	want, err := FromCommands("", `-A -t 192.168.0.100:80 -s wlc
-a -t 192.168.0.100:80 -r 192.168.0.7 -g -w 2
-a -t 192.168.0.100:80 -r 192.168.0.8 -g -w 1`, numbers{})
	if err != nil {
		t.Fatal(err)
	}
	text := src.Text()
	if diff := cmp.Diff(want.Table, programmed(t, text), equal); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if !strings.Contains(text, "sorry_server 127.0.0.1 80\n") || strings.Count(text, "TCP_CHECK {") != 2 {
		t.Errorf("without checks or sorry server:\n%s", text)
	}
	for _, bad := range []string{"VIP=x\nRS=(1.1.1.1)\nRPORT=80", "VIP=1.1.1.1\nRS=()\nRPORT=80", "VIP=1.1.1.1\nRS=(1.1.1.2)\nRPORT=0",
		"VIP=1.1.1.1\nRS=(1.1.1.2)\nRPORT=80\nTYPE=x", "VIP=1.1.1.1\nRS=(1.1.1.2)\nRPORT=80\nRW=(a)"} {
		if _, err := FromScript("f", bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
