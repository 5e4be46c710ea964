package manual

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestLookup: everything that is known of a keyword, in every place.
func TestLookup(t *testing.T) {
	for _, c := range []struct {
		name string
		want []string
	}{
		{"priority", []string{"priority <N>\n", "    in       vrrp_instance\n    range    1-255\n    default  100\n    since    keepalived 1.1.0\n"}},
		{"lb_algo", []string{"    same as  lvs_sched\n"}},
		{"nb_get_retry", []string{"    old      write 'retry'\n", "             virtual_server > real_server > SSL_GET\n"}},
		{"native_ipv6", []string{"    status   without effect: the addresses tell the family\n"}},
		{"lvs_id", []string{"    status   removed: it was renamed to 'router_id'\n"}},
		{"authentication", []string{"    Its keywords:\n", "      auth_pass <PASSWORD>          The password"}},
		{"track_interface", []string{"    Each of its lines:\n", "      weight <N>  "}},
		{"lvs_method", []string{"    Behind it:\n", "      type ipip|gue|gre  "}},
		{"include", []string{"anywhere in the text"}},
	} {
		got, ok := Lookup(c.name)
		for _, want := range c.want {
			if !ok || !strings.Contains(got, want) {
				t.Errorf("%s lacks\n%s\nin\n%s", c.name, want, got)
			}
		}
	}
	if got, ok := Lookup("priorty"); ok {
		t.Errorf("priorty: %s", got)
	}
	if got, _ := Lookup("weight"); strings.Index(got, "vrrp_script") > strings.Index(got, "a line of") {
		t.Errorf("a word of a line comes before statements:\n%s", got)
	}
}

// TestWidth: nothing is wider than the page, nothing is lost by wrapping.
func TestWidth(t *testing.T) {
	texts := map[string]string{"": Overview()}
	for _, name := range Names() {
		text, ok := Lookup(name)
		if !ok {
			t.Errorf("%s is named and not told of", name)
		}
		texts[name] = text
	}
	for name, text := range texts {
		for line := range strings.Lines(text) {
			if len(line) > width+1 || strings.TrimRight(line, " \n") != strings.TrimSuffix(line, "\n") {
				t.Errorf("%s: a line of %d columns: %q", name, len(line)-1, line)
			}
		}
	}
	joined := map[string]string{}
	for name, text := range texts {
		joined[name] = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "| ", "|")
	}
	each(func(e entry) {
		if want := strings.Join(strings.Fields(e.Doc), " "); e.role != item && !strings.Contains(joined[e.Name], want) {
			t.Errorf("%s: its sentence is not told: %s", e.Name, want)
		}
	})
}

// TestNear: what a misspelled keyword was meant to be.
func TestNear(t *testing.T) {
	for word, want := range map[string]string{"prioritty": "priority", "virtual_ipadress": "virtual_ipaddress",
		"vrrp-instance": "vrrp_instance", "Priority": "priority", "http_gte": "HTTP_GET", "preferred": "preferred_lft"} {
		if got := Near(word); !slices.Contains(got, want) {
			t.Errorf("near %s is %v", word, got)
		}
	}
	for _, word := range []string{"", "x", "xyzzyx", strings.Repeat("a", 100000)} {
		if got := Near(word); got != nil {
			t.Errorf("near %.20s is %v", word, got)
		}
	}
}

// TestPage: the man page has every keyword, and groff finds nothing to say.
func TestPage(t *testing.T) {
	text := Page("1.2.3")
	each(func(e entry) {
		if !strings.Contains(text, escape.Replace(head(e.Keyword))) {
			t.Errorf("%s is not in the page", head(e.Keyword))
		}
	})
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "'") || strings.TrimSpace(line) == "" || strings.IndexFunc(line, func(r rune) bool { return r > '~' }) >= 0 {
			t.Errorf("not a line of a man page: %q", line)
		}
	}
	if _, err := exec.LookPath("groff"); err != nil {
		t.Skip("groff is not installed")
	}
	cmd := exec.Command("groff", "-man", "-ww", "-Tascii", "-z")
	cmd.Stdin = strings.NewReader(text)
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Run(); err != nil || says.Len() > 0 {
		t.Errorf("groff: %v\n%s", err, says.String())
	}
}
