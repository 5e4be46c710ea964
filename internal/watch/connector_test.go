package watch

import (
	"encoding/binary"
	"os"
	"testing"

	"golang.org/x/net/bpf"
)

// message is one as the kernel sends it.
func message(what uint32, data ...uint32) []byte {
	b := make([]byte, whatAt)
	b = binary.NativeEndian.AppendUint32(b, what)
	b = append(b, make([]byte, 12)...)
	for _, v := range data {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, msgSize-len(b))...)
}

var events = []struct {
	name string
	b    []byte
	want event
	ok   bool
}{
	{"fork", message(eventFork, 11, 10, 20, 20), event{what: eventFork, pid: 20, parent: 10}, true},
	{"thread", message(eventFork, 10, 10, 20, 10), event{}, false},
	{"exec", message(eventExec, 20, 20), event{what: eventExec, pid: 20}, true},
	{"name", message(eventComm, 20, 20), event{what: eventComm, pid: 20}, true},
	{"name of a thread", message(eventComm, 21, 20), event{}, false},
	{"exit", message(eventExit, 20, 20, 9, 17), event{what: eventExit, pid: 20}, true},
	{"exit of a thread", message(eventExit, 21, 20), event{}, false},
	{"user", message(4, 20, 20), event{}, false},
	{"answer", message(eventNone, 1), event{errno: 1}, true},
	{"short", message(eventExec, 20, 20)[:dataAt+4], event{}, false},
	{"short fork", message(eventFork, 11, 10, 20, 20)[:dataAt+12], event{}, false},
	{"nothing", nil, event{}, false},
}

// TestEvents holds the filter to what is read.
func TestEvents(t *testing.T) {
	vm, err := bpf.NewVM(eventFilter())
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range events {
		got, ok := parseEvent(tt.b)
		if ok != tt.ok || ok && got != tt.want {
			t.Errorf("%s: %+v, %v", tt.name, got, ok)
		}
		if n, err := vm.Run(tt.b); err != nil || n > 0 != tt.ok {
			t.Errorf("%s: the filter lets in %d bytes, %v", tt.name, n, err)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, tt := range events {
		f.Add(tt.b)
	}
	vm, err := bpf.NewVM(eventFilter())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, ok := parseEvent(b)
		if n, _ := vm.Run(b); n == 0 && ok {
			t.Errorf("%x is read, and would not have come", b)
		}
	})
}

func TestParseStat(t *testing.T) {
	for line, want := range map[string]string{
		"7 (sleep) S 1 2":      "sleep",
		"7 (a) b) (c) R 1 2":   "a) b) (c",
		"7 (sleep) Z 1 2":      "",
		"7 (sleep) X":          "",
		"7 (sleep)":            "",
		"7 )sleep( S":          "",
		"":                     "",
		"7 (new\nline) D 1 2 ": "new\nline",
	} {
		comm, alive := parseStat([]byte(line))
		if string(comm) != want || alive != (want != "") {
			t.Errorf("%q: %q, %v", line, comm, alive)
		}
	}
}

func TestProcfs(t *testing.T) {
	p := procfs{root: "/proc"}
	self, found := int32(os.Getpid()), false
	if err := p.each(func(pid int32) { found = found || pid == self }); err != nil || !found {
		t.Errorf("this process is not among all: %v", err)
	}
	comm, cmdline, alive := p.look(self, len(os.Args[0]))
	if !alive || len(comm) == 0 || string(cmdline) != os.Args[0] {
		t.Errorf("this process is %q %q, %v", comm, cmdline, alive)
	}
	if _, _, alive := p.look(1<<30, 10); alive {
		t.Error("a process that cannot be lives")
	}
	if err := (&procfs{root: t.TempDir() + "/none"}).each(func(int32) {}); err == nil {
		t.Error("no directory, no error")
	}
}
