// Package house holds the test that keeps the architecture: which room may
// know which (docs/architecture.md).
package house

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure rooms are values and functions on them. Each may import, of this
// module, only what stands here.
var pure = map[string][]string{
	"confparse/syntax":   nil,
	"confparse":          {"confparse/syntax", "checker/pcre"},
	"confparse/format":   {"confparse", "confparse/syntax"},
	"vrrp":               nil,
	"vip":                nil,
	"ipvsctl":            nil,
	"bfd":                nil,
	"checker":            {"checker/pcre"},
	"checker/pcre":       nil,
	"internal/status":    {"vrrp"},
	"internal/sum":       nil,
	"internal/lab/drill": nil,
	"internal/preflight": {"internal/lab/drill", "internal/status"},
	"internal/capture":   {"vrrp"},
	"internal/traffic":   nil,
	"internal/dump":      {"confparse", "internal/lb", "internal/status", "vrrp"},
	"internal/agentx":    nil,
	"internal/snmp":      {"confparse", "internal/agentx", "internal/dump", "internal/ha", "internal/lb", "internal/notify", "internal/status", "vip", "vrrp"},
	"internal/ha":        {"confparse", "confparse/syntax", "vrrp", "vip", "ipvsctl", "internal/status", "internal/sum"},
	"internal/ipvsadm":   {"ipvsctl"},
	"internal/importer":  {"ipvsctl", "internal/ipvsadm"},
	"internal/advice":    {"confparse", "confparse/syntax"},
	"internal/doctor":    {"confparse", "confparse/syntax", "ipvsctl", "internal/lb", "internal/status"},
	"internal/manual":    {"confparse"},
	"internal/metrics":   {"internal/status"},
	"internal/show":      {"internal/status"},
	"internal/sim":       {"confparse", "confparse/syntax", "internal/ha", "internal/status", "vip", "vrrp"},
	"internal/lb":        {"confparse", "confparse/syntax", "ipvsctl", "checker", "checker/pcre", "internal/status", "internal/sum"},
}

// doors touch one part of the world for their room, and know nothing else.
var doors = map[string]string{
	"vrrp/sock":      "vrrp",
	"vip/rtnl":       "vip",
	"vip/garp":       "vip",
	"vip/link":       "vip",
	"vip/filter":     "vip",
	"vip/witness":    "vip",
	"vip/linkbeat":   "vip",
	"ipvsctl/genl":   "ipvsctl",
	"ipvsctl/nft":    "ipvsctl",
	"ipvsctl/neigh":  "ipvsctl",
	"checker/probe":  "checker",
	"checker/script": "checker",
	"bfd/sock":       "bfd",

	"internal/capture/tap":     "internal/capture",
	"internal/traffic/client":  "internal/traffic",
	"internal/bus":             "", // it has no room: all of it is the bus
	"internal/agentx/subagent": "internal/agentx",
}

// shared are ways into the kernel that know no room: the one to nftables, for the
// doors with tables, and the one to hear many sockets.
var shared = []string{"internal/nfwire", "internal/epoll"}

// forbidden are the packages that reach the world, or make time and order
// matter. Of sync there is OnceValue, which makes a constant that is dear.
var forbidden = []string{"os", "net", "log", "log/slog", "syscall", "os/exec", "os/signal", "golang.org/x/sys/unix"}

// clocks are the functions of package time that read it or wait.
var clocks = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}

const root = "../.."

// sources are the parsed files of a package, without its tests.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		t.Fatalf("%s has no source", dir)
	}
	return files
}

func imports(t *testing.T, dir string) []string {
	var out []string
	for _, f := range sources(t, dir) {
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, path)
		}
	}
	return out
}

func TestPureRooms(t *testing.T) {
	for dir, allowed := range pure {
		for _, path := range imports(t, dir) {
			if slices.Contains(forbidden, path) {
				t.Errorf("%s imports %s: a pure room does not touch the world", dir, path)
			}
			if own, ok := strings.CutPrefix(path, "keepgo/"); ok && !slices.Contains(allowed, own) {
				t.Errorf("%s imports %s: rooms do not know each other", dir, own)
			}
		}
		for _, f := range sources(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if name := clockCall(n); name != "" {
					t.Errorf("%s uses time.%s: pure code is told the time", dir, name)
				}
				if name := of("sync", n); name != "" && name != "OnceValue" {
					t.Errorf("%s uses sync.%s: a pure room has nobody to wait for", dir, name)
				}
				return true
			})
		}
	}
}

// clockCall is the name of the time function that n refers to, if it reads the
// clock.
func clockCall(n ast.Node) string {
	if name := of("time", n); slices.Contains(clocks, name) {
		return name
	}
	return ""
}

// of is the name that n refers to in a package, if it does.
func of(pkg string, n ast.Node) string {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if x, ok := sel.X.(*ast.Ident); !ok || x.Name != pkg || x.Obj != nil {
		return ""
	}
	return sel.Sel.Name
}

func TestDoorsKnowOnlyTheirRoom(t *testing.T) {
	for dir, room := range doors {
		for _, path := range imports(t, dir) {
			own, ok := strings.CutPrefix(path, "keepgo/")
			_, value := pure[own]
			value = value && strings.HasPrefix(own, room+"/") // the room's own values
			if ok && own != room && !value && !slices.Contains(shared, own) && !(dir == "checker/probe" && own == "checker/script") {
				t.Errorf("%s imports %s: a door knows its own room only", dir, own)
			}
		}
	}
}

func TestNoSleep(t *testing.T) {
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		virtual := slices.ContainsFunc(f.Imports, func(s *ast.ImportSpec) bool {
			return s.Path.Value == `"testing/synctest"`
		})
		ast.Inspect(f, func(n ast.Node) bool {
			if clockCall(n) == "Sleep" && !virtual {
				t.Errorf("%s sleeps: wait for what is awaited instead", path)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
