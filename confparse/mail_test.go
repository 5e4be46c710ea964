package confparse_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestMailKeywords(t *testing.T) {
	const global = "global_defs {\nsmtp_server mx 587\nsmtp_tls required\nsmtp_ca_file /etc/ca.pem\n" +
		"smtp_user keep\nsmtp_password_file /etc/keepalived/mail\nsmtp_patience 120\n}\n" +
		"vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n"
	g := clean(t, global).Global
	if g.SMTPTLS != "required" || g.SMTPCA != "/etc/ca.pem" || g.SMTPUser != "keep" ||
		g.SMTPPasswordFile != "/etc/keepalived/mail" || g.SMTPPatience != 2*time.Minute {
		t.Errorf("read %+v", g)
	}
	for text, want := range map[string]string{
		"smtp_user keep":             "smtp_user has no password",
		"smtp_password_file /x":      "not used without smtp_user",
		"smtp_ca_file /x":            "no certificate is looked at with smtp_tls off",
		"smtp_tls on":                "unknown kind of encryption 'on'",
		"smtp_password_file secret1": "",
	} {
		cfg, list := load(t, "global_defs {\n"+text+"\n}\n")
		if cfg.Global.SMTPUser != "" || !strings.Contains(fmt.Sprint(list), want) || len(list) == 0 {
			t.Errorf("%s: %v", text, list)
		}
	}
}
