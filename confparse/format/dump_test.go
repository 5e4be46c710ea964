package format_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"keepgo/confparse"
	"keepgo/confparse/format"
	"keepgo/confparse/syntax"
)

const corpusDir = "../../../shared/corpus"

var addresses = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func env() syntax.Env { return syntax.Env{ConfigID: "lb1", Grammar: confparse.Grammar()} }

func file(text []byte) fstest.MapFS { return fstest.MapFS{"k.conf": {Data: text}} }

// dump is the normal form of a text.
func dump(text []byte, secrets bool) []byte {
	tree, _ := syntax.Parse(file(text), "k.conf", env())
	return format.Dump(tree, secrets)
}

// TestDump: the normal form, by example.
func TestDump(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"$ID=51\nglobal_defs { router_id \"lb1\" }\nvrrp_instance VI_1\n{\n  virtual_router_id $ID ! why\nauthentication { auth_type PASS\nauth_pass a\\#b } }",
			"global_defs {\n    router_id lb1\n}\n\nvrrp_instance VI_1 {\n    virtual_router_id 51\n    authentication {\n        auth_type PASS\n        auth_pass a\\#b\n    }\n}\n"},
		{"@lb1 vrrp_version 3\n@lb2 vrrp_version 2\n~SEQ(i,1,2) child_wait_time $i\n",
			"# not known here:\n# vrrp_version 3\nchild_wait_time 1\nchild_wait_time 2\n"},
		{"virtual_server 10.0.0.1 80 {\nlb_algo rr\nlb_kind DR\nnat_mask 255.0.0.0\nreal_server {\n}\nquroum \"a b\" {\nx\n}\n}\n",
			"virtual_server 10.0.0.1 80 {\n    lvs_sched rr\n    lvs_method DR\n    # was removed from keepalived long ago and has no effect:\n    # nat_mask 255.0.0.0\n    real_server {\n    }\n" +
				"    # not known here:\n    # quroum \"a b\" {\n    #     x\n    # }\n}\n"},
		{"vrrp_script s {\nscript   \"/bin/a  'b  c'\"   web\nuser web\n}\nvrrp_script r {\nscript '/bin/a  b'\n}\n",
			"vrrp_script s {\n    script \"/bin/a  'b  c'\" web\n    user web\n}\n\nvrrp_script r {\n    script '/bin/a  b'\n}\n"},
		{"vrrp_sync_group G {\ngroup { include x\n\"a b\" }\n}\n",
			"vrrp_sync_group G {\n    group {\n        \"include\" x\n        \"a b\"\n    }\n}\n"},
	} {
		if got := string(dump([]byte(c.text), true)); got != c.want {
			t.Errorf("dump of\n%s\nis\n%s\nwant\n%s", c.text, got, c.want)
		}
	}
}

// TestDumpMasks: no password is shown unless it is asked for, however the
// statement around it is misspelled.
func TestDumpMasks(t *testing.T) {
	for _, text := range []string{
		"vrrp_instance A {\nauthentication {\nauth_pass hunter2\n}\n}",
		"vrrp_instance A {\nauthentication { auth_type PASS auth_pass hunter2 }\n}",
		"vrrp_instance A {\nautentication {\nauth_pass \"hunter2 x\"\n}\n}",
		"vrrp_instance A {\nauth_pass=hunter2\nauth_psas hunter1\nauth_passs hunter2\nauth_hmac {\nkey 1 hunter2\n}\n}",
		"auth_pass hunter2 {\n}\nSSL {\npassword hunter2\nPASSWORD: hunter2\n}",
	} {
		if got := string(dump([]byte(text), false)); strings.Contains(got, "hunter2") || !strings.HasPrefix(got, "# passwords are masked") {
			t.Errorf("a password is shown:\n%s", got)
		}
		if got := string(dump([]byte(text), true)); !strings.Contains(got, "hunter2") {
			t.Errorf("with secrets the password is missing:\n%s", got)
		}
	}
}

// roundTrip fails if the normal form of a tree does not mean what cfg says.
func roundTrip(t rapid.TB, cfg *confparse.Config, tree *syntax.Tree) {
	t.Helper()
	text := format.Dump(tree, true)
	again, _ := confparse.Load(file(text), "k.conf", env())
	compare(t, cfg, again, text)
	if twice := dump(text, true); !cmp.Equal(withoutComments(text), withoutComments(twice)) {
		t.Fatalf("the normal form of the normal form differs:\n%s", cmp.Diff(string(text), string(twice)))
	}
}

// compare fails if two configurations differ by more than where things stand.
func compare(t rapid.TB, before, after *confparse.Config, text []byte) {
	t.Helper()
	unplace(reflect.ValueOf(before))
	unplace(reflect.ValueOf(after))
	if !reflect.DeepEqual(before, after) {
		t.Fatalf("it means something else (-before +after):\n%s\n%s", cmp.Diff(before, after, addresses), text)
	}
}

// unplace takes the places out of a configuration.
func unplace(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			unplace(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			unplace(v.Index(i))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[syntax.Pos]() {
			v.SetZero()
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				unplace(v.Field(i))
			}
		}
	}
}

// withoutComments are the lines that are statements.
func withoutComments(text []byte) (lines []string) {
	for _, l := range strings.Split(string(text), "\n") {
		if s := strings.TrimSpace(l); s != "" && s[0] != '#' {
			lines = append(lines, l)
		}
	}
	return lines
}

// TestDumpCorpus: load, dump, load gives the same for every configuration of
// the collection.
func TestDumpCorpus(t *testing.T) {
	for _, name := range corpus(t) {
		cfg, _ := confparse.Load(os.DirFS("/"), name, env())
		tree, _ := syntax.Parse(os.DirFS("/"), name, env())
		t.Run(filepath.Base(name), func(t *testing.T) { roundTrip(t, cfg, tree) })
	}
}

// corpus lists the files of the collection by their absolute names.
func corpus(t testing.TB) (names []string) {
	t.Helper()
	for _, pattern := range []string{"/*.conf", "/multi/*/*.conf", "-bad/*.conf", "-bad/*/*.conf"} {
		found, _ := filepath.Glob(corpusDir + pattern)
		for _, name := range found {
			abs, err := filepath.Abs(name)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, abs)
		}
	}
	if len(names) == 0 {
		t.Skip("the collection of configurations is not here")
	}
	return names
}
