package confparse_test

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

// TestCheckOptionsOfOurOwn: share_probe is on unless it is turned off, and the
// virtualhost of a real_server is not sent in TLS.
func TestCheckOptionsOfOurOwn(t *testing.T) {
	cfg := clean(t, `virtual_server 10.0.0.1 443 {
    virtualhost outer
    real_server 10.0.0.2 443 {
        virtualhost inner
        SSL_GET {
            share_probe off
            url {
                path /
                regex "a(?=b)"
            }
        }
        TCP_CHECK {
        }
    }
}`)
	c := cfg.VirtualServers[0].Servers[0].Checkers
	if !c[0].Private || c[1].Private {
		t.Errorf("private %v, %v", c[0].Private, c[1].Private)
	}
	if c[0].HTTP.VirtualHost != "inner" || c[0].HTTP.SNIHost != "outer" || c[0].HTTP.URLs[0].Regex != "a(?=b)" {
		t.Errorf("%+v", c[0].HTTP)
	}
}

// TestChecksThroughTheVIP: rise is inherited as retry is, and through_vip leaves
// the target to the service.
func TestChecksThroughTheVIP(t *testing.T) {
	cfg := clean(t, `virtual_server 10.0.0.1 80 {
    rise 4
    lvs_method DR
    real_server 10.0.0.2 80 {
        TCP_CHECK {
            through_vip
        }
        MISC_CHECK {
            misc_path /bin/true
            rise 2
        }
    }
    real_server 10.0.0.3 80 {
        rise 3
        SMTP_CHECK {
            through_vip
            host {
                connect_port 25
            }
        }
    }
}`)
	first, second := cfg.VirtualServers[0].Servers[0].Checkers, cfg.VirtualServers[0].Servers[1].Checkers
	if first[0].Rise != 4 || first[1].Rise != 2 || second[0].Rise != 3 {
		t.Errorf("rise %d, %d, %d", first[0].Rise, first[1].Rise, second[0].Rise)
	}
	if c := first[0]; !c.Through || c.Addr.IsValid() || c.Port != 0 {
		t.Errorf("%+v", c)
	}
	if len(second) != 2 || !second[0].Through || second[1].Through {
		t.Errorf("SMTP_CHECK: %d checks", len(second))
	}
}

func TestThroughTheVIPRefused(t *testing.T) {
	for want, server := range map[string]string{
		"through_vip needs lvs_method DR or TUN":                           "TCP_CHECK {\nthrough_vip\n}",
		"through_vip and fwmark exclude each other":                        "lvs_method TUN\nTCP_CHECK {\nthrough_vip\nfwmark 3\n}",
		"'through_vip' belongs in TCP_CHECK, HTTP_GET, SSL_GET and others": "lvs_method DR\nPING_CHECK {\nthrough_vip\n}",
	} {
		text := "virtual_server 10.0.0.1 80 {\nprotocol TCP\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.2 80 {\n" + server + "\n}\n}\n"
		_, list := confparse.Load(fstest.MapFS{"k.conf": {Data: []byte(text)}}, "k.conf", syntax.Env{})
		if !slices.ContainsFunc(list, func(e *syntax.Error) bool { return e.Severity >= syntax.Failure && strings.Contains(e.Error(), want) }) {
			t.Errorf("want %q, got %v", want, list)
		}
	}
}
