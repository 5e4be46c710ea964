package lab

import (
	"strings"
	"testing"

	"keepgo/checker/pcre"
	"keepgo/confparse"
)

func TestPagesMatchTheirBlocks(t *testing.T) {
	for _, u := range []confparse.URL{
		{Regex: "OK"}, {Regex: "^up$"}, {Regex: `"status"\s*:\s*"(green|yellow)"`}, {Regex: "[0-9]{3}-[^a-z]+"},
		{Regex: "ok", RegexOptions: []string{"caseless"}}, {Regex: "late", RegexMin: 100}, {Regex: "^.+$", RegexOptions: []string{"multiline"}},
		{Regex: "page", RegexNegate: true}, {Regex: ".", RegexMax: 3},
	} {
		p := newPage(&u)
		m, err := pcre.Pattern{Text: u.Regex, Options: u.RegexOptions, Min: u.RegexMin, Max: u.RegexMax}.Compile(searchTime)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := m.Match(strings.NewReader(p.body)); err != nil || found == u.RegexNegate || p.lacks != "" {
			t.Errorf("%+v: %q: found %v, %v; %s", u, p.body, found, err, p.lacks)
		}
	}
	for _, u := range []confparse.URL{{Regex: "(?=a)b"}, {Regex: "", Status: []confparse.StatusRange{{First: 100, Last: 150}}}, {Regex: "[\\s\\S]", RegexNegate: true}} {
		if p := newPage(&u); p.lacks == "" {
			t.Errorf("%+v is served: %q", u, p.body)
		}
	}
}

func TestPageStatus(t *testing.T) {
	for want, list := range map[int][]confparse.StatusRange{
		200: nil, 410: {{First: 410, Last: 410}}, 205: {{First: 204, Last: 210}}, 204: {{First: 204, Last: 204}}, 404: {{First: 100, Last: 100}, {First: 404, Last: 405}},
	} {
		if got := statusOf(&confparse.URL{Status: list}); got != want {
			t.Errorf("of %v: %d, want %d", list, got, want)
		}
	}
	if w := (&page{status: 503}).wrong(); w == 503 {
		t.Error("the wrong status is the right one")
	}
	if d := (&page{body: ""}).digest(); d != "d41d8cd98f00b204e9800998ecf8427e" {
		t.Errorf("digest %s", d)
	}
}
