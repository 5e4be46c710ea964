package daemon

import (
	"fmt"
	"os"
	"path/filepath"

	"keepgo/confparse"
	"keepgo/confparse/format"
)

// reloadFile is the path of the file that stands while the configuration is
// read: reload_file, or a path beside the pid file. It is "" for none.
func (p *parent) reloadFile() string {
	r := &p.cfg.Global.Reload
	if !r.UseFile || r.File != "" {
		return r.File
	}
	return filepath.Join(filepath.Dir(p.opts.PIDFile), "keepalived.reload")
}

// reading makes the reload file, or empties it: who writes configurations sees
// that one is being read.
func (p *parent) reading() {
	p.readFile = p.reloadFile()
	if p.readFile == "" {
		return
	}
	f, err := os.OpenFile(p.readFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|oNoFollow, 0o644)
	if err != nil {
		p.log.printf("reload_file: %v", err)
		p.readFile = ""
		return
	}
	f.Close()
}

// read removes the reload file.
func (p *parent) read() {
	if p.readFile != "" {
		os.Remove(p.readFile)
		p.readFile = ""
	}
}

// save keeps what the configuration came to, for those who search a fault.
func (p *parent) save(cfg *confparse.Config) {
	dir := cfg.Global.ConfigSaveDir
	if dir == "" {
		return
	}
	p.saved++
	name := filepath.Join(dir, fmt.Sprintf("keepalived.conf.%d.%d", os.Getpid(), p.saved))
	if err := os.Mkdir(dir, 0o700); err != nil && !os.IsExist(err) {
		p.log.printf("config_save_dir: %v", err)
		return
	}
	if err := writeSafe(name, format.Dump(Parse(p.opts), true), 0o600); err != nil {
		p.log.printf("config_save_dir: %v", err)
	}
}

// takeCores lets a crash leave a core, under a name of its own if one is given.
// The function that it returns puts the kernel's pattern back.
func (p *parent) takeCores() (restore func()) {
	restore = func() {}
	if !p.opts.CoreDump && p.opts.CorePattern == "" {
		return restore
	}
	if err := unlimitedCore(); err != nil {
		p.log.printf("core dumps: %v", err)
	}
	if p.opts.CorePattern == "" {
		return restore
	}
	old, err := os.ReadFile(corePattern)
	if err == nil {
		err = os.WriteFile(corePattern, []byte(p.opts.CorePattern+"\n"), 0)
	}
	if err != nil {
		p.log.printf("core_pattern: %v", err)
		return restore
	}
	return func() { _ = os.WriteFile(corePattern, old, 0) }
}
