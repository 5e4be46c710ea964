package daemon

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"keepgo/confparse"
	"keepgo/confparse/syntax"
	"keepgo/internal/advice"
	"keepgo/internal/lb"
)

// faults is what was found in a configuration.
type faults syntax.ErrorList

// keys are the faults that count, without their places: a file that always had
// them can be reloaded.
func (f faults) keys() map[string]bool {
	keys := map[string]bool{}
	for _, e := range f {
		if e.Severity == syntax.Failure {
			keys[e.Path+": "+e.Err.Error()] = true
		}
	}
	return keys
}

// news counts the faults that are not among the known.
func (f faults) news(known map[string]bool) int {
	n := 0
	for key := range f.keys() {
		if !known[key] {
			n++
		}
	}
	return n
}

// Read loads a configuration file as the daemon does.
func Read(o Options) (*confparse.Config, syntax.ErrorList, error) {
	name, err := filepath.Abs(o.File)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(name); err != nil {
		return nil, nil, fmt.Errorf("configuration file: %w", err)
	}
	cfg, list := confparse.Load(os.DirFS("/"), name, environment(o))
	for _, e := range list {
		if e.Pos.File == name {
			e.Pos.File = o.File // as it was given
		}
	}
	return cfg, list, nil
}

// Parse reads the statements of a configuration file without their meaning. A
// file that cannot be read has none.
func Parse(o Options) *syntax.Tree {
	name, err := filepath.Abs(o.File)
	if err != nil {
		return &syntax.Tree{}
	}
	env := environment(o)
	env.Grammar = confparse.Grammar()
	tree, _ := syntax.Parse(os.DirFS("/"), name, env)
	return tree
}

// environment is what the preprocessor may ask of this machine.
func environment(o Options) syntax.Env {
	id := o.ConfigID
	if id == "" {
		host, _ := os.Hostname()
		id, _, _ = strings.Cut(host, ".")
	}
	return syntax.Env{ConfigID: id, Getenv: os.Getenv, Random: rand.IntN}
}

// load reads the configuration, logs what is wrong with it, and disables the
// scripts that cannot run.
func (p *parent) load() (*confparse.Config, faults, error) {
	cfg, list, err := Read(p.opts)
	if err != nil {
		return nil, nil, err
	}
	return cfg, p.vet(cfg, list), nil
}

// vet is the second half of load.
func (p *parent) vet(cfg *confparse.Config, list syntax.ErrorList) faults {
	p.opts.override(&cfg.Global)
	for _, e := range list {
		if e.Severity > syntax.Note {
			p.log.printf("%v", discreet(e))
		}
	}
	for _, err := range append(vetScripts(cfg), readKeys(cfg)...) {
		p.log.printf("%v", err)
	}
	return faults(append(list, beyond(cfg)...))
}

// beyond is what nftables cannot do of a file that asks for them, which is a
// fault of the file. It is logged when the file is put in force, or refused.
func beyond(cfg *confparse.Config) (list syntax.ErrorList) {
	if cfg.Global.DataPlane == confparse.PlaneNFTables {
		_, list = lb.Build(cfg)
	}
	return list
}

// override gives what the command line says a place in the configuration.
func (o Options) override(g *confparse.Global) {
	if o.DataPlane != nil {
		g.DataPlane = *o.DataPlane
	}
	if o.SNMP {
		g.SNMP.VRRP, g.SNMP.Checker, g.SNMP.RFCv2, g.SNMP.RFCv3 = true, true, true, true
	}
	if o.SNMPSocket != "" {
		g.SNMP.Socket = o.SNMPSocket
	}
}

// fixed are values that a running daemon cannot change, as keepalived names
// them: its processes, files and tables are known by them.
func fixed(g *confparse.Global) map[string]string {
	ipvs := "as net_namespace"
	if g.NamespaceIPVS != nil {
		ipvs = *g.NamespaceIPVS
	}
	return map[string]string{
		"instance": g.InstanceName, "net_namespace": g.Namespace, "net_namespace_ipvs": ipvs, "nftables": g.NFTables.Table,
		"nftables_ipvs": g.NFTIPVS.Table, "disable_local_igmp": fmt.Sprint(g.DisableLocalIGMP),
	}
}

// unchangeable names the first of two configurations' fixed values that
// differs, or is "".
func unchangeable(old, new *confparse.Global) string {
	before := fixed(old)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if before[name] != fixed(new)[name] {
			return name
		}
	}
	return ""
}

// readKeys replaces the keys of auth_hmac that stand in files by what the files
// hold, without the ends of their lines. An instance whose key cannot be read
// becomes unusable when it is planned.
func readKeys(cfg *confparse.Config) []error {
	var problems []error
	for _, in := range cfg.Instances {
		if in.HMAC == nil {
			continue
		}
		for i := range in.HMAC.Keys {
			k := &in.HMAC.Keys[i]
			path, ok := strings.CutPrefix(k.Value, "file:")
			if !ok {
				continue
			}
			b, err := os.ReadFile(path)
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: key %d of auth_hmac: %w", in.Pos, k.ID, err))
			}
			k.Value = strings.TrimRight(string(b), "\r\n")
			if fi, err := os.Stat(path); err == nil && fi.Mode().Perm()&0o077 != 0 {
				problems = append(problems, fmt.Errorf("%s: %s, key %d of auth_hmac, can be read by others; chmod 600 it", in.Pos, path, k.ID))
			}
		}
	}
	return problems
}

// foresee logs what each instance will do when something fails: with -D of all,
// otherwise of those whose weights will not do what they seem to be there for.
func (p *parent) foresee() {
	for _, o := range advice.Foresee(&advice.File{Label: p.opts.File, Config: p.cfg}) {
		if o.Surprise || p.opts.LogDetail > 0 {
			p.log.printf("(%s) %s", o.Name, o.Text)
		}
	}
}

// discreet is a finding for the log, which more people read than the
// configuration: what is said of a password quotes it.
func discreet(e *syntax.Error) error {
	if !strings.Contains(e.Err.Error(), "auth_pass") {
		return e
	}
	return fmt.Errorf("%s: %s: auth_pass is not read as it is written; 'keepgo check' says why", e.Pos, e.Severity)
}
