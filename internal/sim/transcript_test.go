package sim_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts in testdata anew")

// TestTranscripts plays the stories of testdata. A line that begins with "> "
// is a command; what follows is what happened. Time stands still but in
// "advance". A text of several lines follows its command up to the line "end".
//
//	nodes A B <<           a new world of nodes that read this text; @A counts on A alone
//	start|resume|stop|crash|poweroff NODE…
//	reload NODE… <<        they read another text
//	advance DURATION
//	cut A->B [WIRE]        packets from A are lost on the way to B; A-B cuts both ways
//	heal                   mends every wire
//	lose WIRE PERCENT SEED
//	delay WIRE DURATION
//	link NODE LINK up|down|gone
//	address NODE LINK ADDRESS|none
//	script NODE SCRIPT ok|fail|hang
//	freeze NODE DURATION [drained]   not scheduled; drained: it reads its packets before its clock
//	claim NODE ADDRESS STATION   ARP of another station claims an address of the node
//	remove NODE ADDRESS    another hand removes an address, and it is put back
//	silent|noisy WIRE      nothing but adverts passes on the wire, or others talk there as well
//	suspend NODE DURATION  not scheduled, and its clock stands still
//	mortal NODE NUMBER     its process dies at that many more actions, and is replaced
//	drift NODE PPM         its clocks go so much faster than the world's
//	clock NODE DURATION    its wall clock is set
//	adverts on|off         show adverts other than those of priority 0
//	show                   the state of all
//
// A line "skip …" before its first command leaves a story out, with the reason.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) { replay(t, name) })
	}
}

// replay plays a file and holds it against what stands there.
func replay(t *testing.T, name string) {
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := story{t: t}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if why, ok := strings.CutPrefix(line, "skip "); ok {
			t.Skip(why)
		}
		if line == "" || line[0] == '#' {
			s.line("%s", line)
		}
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		s.line("%s", line)
		var body []string
		if strings.HasSuffix(command, " <<") {
			for i++; i < len(lines) && lines[i] != "end"; i++ {
				body = append(body, lines[i])
				s.line("%s", lines[i])
			}
			s.line("end")
			command = strings.TrimSuffix(command, " <<")
		}
		s.run(strings.Fields(command), strings.Join(body, "\n")+"\n")
	}
	got := s.out.String()
	switch {
	case got == string(text):
	case *rewrite:
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s goes otherwise now (-args -rewrite writes it anew): %s", name, firstChange(got, string(text)))
	}
}

// firstChange shows where two texts part, with what went before.
func firstChange(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	from := max(0, i-12)
	return "\ngot:\n" + strings.Join(a[from:min(i+8, len(a))], "\n") +
		"\nwant:\n" + strings.Join(b[from:min(i+8, len(b))], "\n")
}
