package lab

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

const kinds = `
vrrp_instance VI {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        10.0.0.100/24
    }
}
virtual_server 10.0.0.100 443 {
    lvs_method NAT
    protocol TCP
    real_server 10.1.0.21 443 {
        SSL_GET {
            url {
                path /a
                digest 640205b7b0fc66c1ea91c463fac6334d
                regex "^up [0-9]+$"
                virtualhost www.example.org
            }
            url {
                path /b
                regex "(?=a)b"
                status_code 410
            }
        }
    }
}
virtual_server 10.0.0.100 53 {
    lvs_method DR
    protocol UDP
    real_server 10.0.0.23 53 {
        DNS_CHECK {
            type MX
            name example.org
        }
    }
    real_server 10.0.0.24 53 {
        PING_CHECK {
        }
    }
}
virtual_server 10.0.0.101 25 {
    protocol TCP
    lvs_method DR
    real_server 10.0.0.25 25 {
        SMTP_CHECK {
        }
        MISC_CHECK {
            misc_path "/usr/local/bin/ask it"
        }
    }
}
`

// sourceFrom is a file as the lab has it before it plans.
func sourceFrom(t *testing.T, text string) *source {
	t.Helper()
	files := fstest.MapFS{"k.conf": {Data: []byte(text)}}
	cfg, _ := confparse.Load(files, "k.conf", syntax.Env{})
	tree, errs := syntax.Parse(files, "k.conf", syntax.Env{})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	s := &source{Config: cfg, tree: tree, pages: pagesOf(cfg)}
	s.adopt()
	return s
}

func planned(t *testing.T, s *source) *network {
	t.Helper()
	n, err := planNetwork(s)
	if err != nil {
		t.Fatal(err)
	}
	s.net = n
	return n
}

func TestServersSpeakWhatChecksAsk(t *testing.T) {
	n := planned(t, sourceFrom(t, kinds))
	want := map[string]string{"10.1.0.21": speaksHTTPS, "10.0.0.23": speaksDNS, "10.0.0.24": speaksDNS, "10.0.0.25": speaksSMTP}
	for _, s := range n.servers {
		for e, site := range s.sites {
			if got := site.language(e); got != want[s.addr.String()] {
				t.Errorf("%s on %s speaks %s, want %s", s.addr, e, got, want[s.addr.String()])
			}
		}
	}
	if len(n.servers) != 4 {
		t.Errorf("%d servers", len(n.servers))
	}
	lacks := strings.Join(n.lacks, "\n")
	wants(t, lacks, []string{"MISC_CHECK /usr/local/bin/ask it: what it asks is not here: /bin/true is run in its place",
		`path /b: no page is found for regex "(?=a)b"`, "no virtual address is in 10.1.0.0/24, where servers by NAT are"}, nil)
}

// The digest that is played is that of the page, and what cannot be served is
// not looked at.
func TestFileFitsThePages(t *testing.T) {
	s := sourceFrom(t, kinds)
	n := planned(t, s)
	site := n.servers[0].sites[endpoint{"tcp", 443}]
	p := site.page("www.example.org", "/a")
	if p.body != "up 0\n" || site.page("other", "/b").status != 410 {
		t.Errorf("pages %+v, %+v", p, site.page("other", "/b"))
	}
	text := derive(s.tree.Nodes, side{pages: s.pages, partner: n.partner, config: s.Config, first: "VI", added: s.missing, name: "lb1"})
	wants(t, text, []string{"digest " + p.digest(), `regex "^up [0-9]+$"`, "virtualhost www.example.org",
		"virtual_ipaddress_excluded {\n        10.0.0.101/32\n", "/32 dev eth0\n"}, []string{"640205b7", "(?=a)b", "usr/local"})
}

func TestServicesWithoutInstanceGetOne(t *testing.T) {
	s := sourceFrom(t, "virtual_server 10.0.0.100 80 {\n protocol TCP\n lvs_method DR\n real_server 10.0.0.21 80 {\n }\n}\n"+
		"virtual_server group g {\n protocol TCP\n lvs_method DR\n real_server 10.0.0.21 80 {\n }\n}\nvirtual_server_group g {\n 10.0.0.110-112 80\n fwmark 7\n}\n")
	planned(t, s)
	for i, priority := range []string{"priority 150", "priority 100"} {
		wants(t, s.ownText(i), []string{"vrrp_instance rehearsal {", priority, "10.0.0.100/32", "10.0.0.110/32", "10.0.0.112/32"}, []string{"10.0.0.113"})
	}
	wants(t, strings.Join(s.adopted(), "\n"), []string{"the file has no vrrp_instance"}, nil)
}

func TestMailServerTalks(t *testing.T) {
	m := &machine{server: &server{addr: netip.MustParseAddr("10.0.0.25")}}
	ours, theirs := net.Pipe()
	go m.talkSMTP(theirs)
	ours.SetDeadline(time.Now().Add(10 * time.Second))
	r := bufio.NewReader(ours)
	for _, say := range []string{"", "HELO me\r\n", "NOOP\r\n"} {
		if say != "" {
			if _, err := ours.Write([]byte(say)); err != nil {
				t.Fatal(err)
			}
		}
		if who, err := whoSMTP(r); err != nil || who != "10.0.0.25" {
			t.Errorf("after %q: %q, %v", say, who, err)
		}
	}
	m.mood.Store(wrong)
	ours, theirs = net.Pipe()
	go func() { m.talkSMTP(theirs); theirs.Close() }()
	ours.SetDeadline(time.Now().Add(10 * time.Second))
	if who, err := whoSMTP(bufio.NewReader(ours)); err == nil {
		t.Errorf("a server that answers wrongly is %q", who)
	}
}

func TestNameServerAnswers(t *testing.T) {
	m := &machine{server: &server{addr: netip.MustParseAddr("10.0.0.23")}}
	for kind, answers := range map[dnsmessage.Type]int{dnsmessage.TypeA: 1, dnsmessage.TypeAAAA: 0, dnsmessage.TypeMX: 1, dnsmessage.TypeSOA: 1, 48: 0} {
		ask := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{{
			Name: dnsmessage.MustNewName("example.org."), Type: kind, Class: dnsmessage.ClassINET}}}
		b, err := ask.Pack()
		if err != nil {
			t.Fatal(err)
		}
		var got dnsmessage.Message
		if err := got.Unpack(answerDNS(m, b, false)); err != nil || got.ID != 7 || !got.Response || got.RCode != 0 || len(got.Answers) != answers {
			t.Errorf("type %v: %+v, %v", kind, got, err)
		}
		if err := got.Unpack(answerDNS(m, b, true)); err != nil || got.RCode != dnsmessage.RCodeServerFailure {
			t.Errorf("wrongly: %+v, %v", got, err)
		}
	}
	if b := answerDNS(m, []byte("no question"), false); b != nil {
		t.Errorf("an answer to no question: %q", b)
	}
}

func TestDatagramIsWhatTheCheckRequires(t *testing.T) {
	m := &machine{server: &server{addr: netip.MustParseAddr("10.0.0.25")}}
	s := &site{reply: &confparse.Datagram{RequireReply: true, Reply: []byte{1, 2}, MinReply: 4}}
	if got := s.datagram(m, []byte{9}, false); string(got) != "\x01\x02\x00\x00" {
		t.Errorf("to the check: %x", got)
	}
	if got := s.datagram(m, []byte{9}, true); got[0] == 1 {
		t.Errorf("wrongly: %x", got)
	}
	if got := s.datagram(m, []byte(question), false); string(got) != "10.0.0.25" {
		t.Errorf("to the client: %q", got)
	}
}

// A conversation ends with its server, also one that hangs.
func TestTalkEndsWithItsServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{server: &server{addr: netip.MustParseAddr("10.0.0.25")}}
	m.mood.Store(slow)
	m.serveSMTP(ln)
	c, err := new(net.Dialer).DialContext(context.Background(), "tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Read(make([]byte, 9)); err == nil {
		t.Errorf("a slow server says %d bytes", n)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := c.Read(make([]byte, 9)); err == nil || strings.Contains(err.Error(), "timeout") {
		t.Errorf("after the close: %v", err)
	}
}
