package confparse_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestReport: what an operator reads about testdata/faulty.conf.
func TestReport(t *testing.T) {
	_, errs := confparse.Load(os.DirFS("testdata"), "faulty.conf", syntax.Env{})
	var out bytes.Buffer
	source := func(file string) ([]byte, error) { return os.ReadFile("testdata/" + file) }
	if err := errs.Write(&out, source); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/faulty.txt"
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("the report is not %s; it is\n%s", golden, out.String())
	}
	if i := strings.IndexFunc(out.String(), func(r rune) bool { return r > '~' }); i >= 0 {
		t.Errorf("not plain ASCII at %d", i)
	}
}
