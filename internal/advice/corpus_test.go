package advice_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
)

// quiet is the most findings that a configuration of real life gets, and noisy
// how many of a hundred may have any: advice that is everywhere is not read.
const (
	quiet = 25
	noisy = 20
)

// TestRealLife: no configuration of real life makes Check or Compare panic, as
// a pair with itself and with its neighbour, and few get advice.
func TestRealLife(t *testing.T) {
	const corpus = "../../../shared/corpus"
	names, err := filepath.Glob(filepath.Join(corpus, "*.conf"))
	if err != nil || len(names) == 0 {
		t.Skip("the collection of configurations is not here")
	}
	advised := 0
	var before *advice.File
	for _, name := range names {
		name = filepath.Base(name)
		cfg, _ := confparse.Load(os.DirFS(corpus), name, syntax.Env{})
		tree, _ := syntax.Parse(os.DirFS(corpus), name, syntax.Env{})
		f := &advice.File{Label: name, Name: name, Config: cfg, Places: advice.NewPlaces(func() *syntax.Tree { return tree })}
		errs := advice.Check(f)
		if len(errs) > quiet {
			t.Errorf("%s: %d findings", name, len(errs))
		}
		if len(errs) > 0 {
			advised++
		}
		for _, other := range []*advice.File{f, before} {
			if other == nil {
				continue
			}
			if err := advice.Compare(f, other).Write(io.Discard); err != nil {
				t.Error(err)
			}
		}
		before = f
	}
	if advised*100 > len(names)*noisy {
		t.Errorf("%d of %d get advice", advised, len(names))
	}
}
