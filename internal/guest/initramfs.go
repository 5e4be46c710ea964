package guest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// needed are the modules that bring the guest to the host's file tree.
var needed = []string{"virtio_mmio", "9pnet_virtio", "9p", "overlay"}

// initScript lays a writable tree over the host's and goes on there.
const initScript = `#!/bin/busybox sh
bb=/bin/busybox
die() { echo "guest: $*"; $bb reboot -f; }
$bb mount -t devtmpfs dev /dev
$bb mount -t proc proc /proc
for m in /modules/*; do $bb insmod $m || die "insert $m"; done
opts=trans=virtio,version=9p2000.L,msize=262144
$bb mount -t 9p -o $opts,ro,noatime,cache=loose root /lower || die "mount the host's root"
$bb mount -t tmpfs -o mode=755 rw /rw
$bb mkdir /rw/upper /rw/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work root /root || die "mount the overlay"
$bb mount -t proc proc /root/proc
$bb mount -t sysfs sys /root/sys
$bb mount -t devtmpfs dev /root/dev
$bb mkdir -p /root/dev/pts /root/dev/shm
$bb mount -t devpts pts /root/dev/pts
$bb mount -t tmpfs shm /root/dev/shm
$bb mount -t tmpfs -o mode=755 run /root/run
$bb mkdir /root` + shareDir + `
$bb mount -t 9p -o $opts share /root` + shareDir + ` || die "mount the share"
$bb umount /proc
read -r shell </busybox
exec $bb switch_root /root "$shell" sh ` + shareDir + `/run
`

// shareDir is where the guest finds the run script and leaves its results.
const shareDir = "/run/keepgo-guest"

// initramfs is the first file tree of the guest: busybox, modules and a script.
func initramfs(t tools) ([]byte, error) {
	shell, err := os.ReadFile(t.busybox)
	if err != nil {
		return nil, err
	}
	files, err := t.kernel.load(needed...)
	if err != nil {
		return nil, err
	}
	var c cpio
	for _, dir := range []string{"bin", "dev", "proc", "modules", "lower", "rw", "root"} {
		c.add(dir, modeDir|0o755, nil)
	}
	c.add("bin/busybox", modeFile|0o755, shell)
	c.add("busybox", modeFile|0o644, []byte(t.busybox))
	c.add("init", modeFile|0o755, []byte(initScript))
	for i, file := range files {
		b, err := os.ReadFile(filepath.Join(t.kernel.modules, file))
		if err != nil {
			return nil, err
		}
		if b, err = decompress(b); err != nil {
			return nil, fmt.Errorf("unpack %s: %w", file, err)
		}
		c.add(fmt.Sprintf("modules/%02d-%s.ko", i, moduleName(file)), modeFile|0o644, b)
	}
	return c.close(), nil
}

// File types of cpio, which are those of stat.
const (
	modeDir  = 0o040000
	modeFile = 0o100000
)

// cpio writes the "newc" archive the kernel unpacks
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type cpio struct {
	bytes.Buffer
	inode int
}

func (c *cpio) add(name string, mode int, content []byte) {
	c.inode++
	fields := []int{c.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0}
	c.WriteString("070701")
	for _, f := range fields {
		fmt.Fprintf(c, "%08x", f)
	}
	c.WriteString(name + "\x00")
	c.pad()
	c.Write(content)
	c.pad()
}

// pad fills to a multiple of four bytes.
func (c *cpio) pad() { c.Write(make([]byte, -c.Len()&3)) }

func (c *cpio) close() []byte {
	c.add("TRAILER!!!", 0, nil)
	return c.Bytes()
}

// runScript is what the guest does once it is up. The exit code is written
// last: without it the guest died.
func runScript(t tools, args, env []string, dir string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "bb=%s\n", quote(t.busybox))
	b.WriteString("$bb hostname guest\n$bb ip link set lo up\n")
	for _, e := range env {
		fmt.Fprintf(&b, "export %s\n", quote(e))
	}
	fmt.Fprintf(&b, "cd %s || cd /\n", quote(dir))
	for _, a := range args {
		b.WriteString(quote(a) + " ")
	}
	fmt.Fprintf(&b, "</dev/null >%s/output 2>&1\n", shareDir)
	fmt.Fprintf(&b, "echo $? >%[1]s/code.new; $bb mv %[1]s/code.new %[1]s/code\n", shareDir)
	b.WriteString("$bb reboot -f\n")
	return []byte(b.String())
}

// quote makes s one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
