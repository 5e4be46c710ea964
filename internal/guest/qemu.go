package guest

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// tools are what a guest is made of.
type tools struct {
	qemu    string
	busybox string // linked statically
	kernel  kernel
}

func findTools() (t tools, err error) {
	var errs []error
	if t.qemu, err = exec.LookPath("qemu-system-x86_64"); err != nil {
		errs = append(errs, errors.New("no qemu-system-x86_64; install qemu-system-x86"))
	}
	if t.busybox, err = staticBusybox(); err != nil {
		errs = append(errs, err)
	}
	if t.kernel, err = findKernel(); err != nil {
		errs = append(errs, err)
	}
	return t, errors.Join(errs...)
}

func staticBusybox() (string, error) {
	missing := errors.New("no busybox that needs no libraries; install busybox-static")
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", missing
	}
	f, err := elf.Open(path)
	if err != nil {
		return "", missing
	}
	defer f.Close()
	if slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return "", missing
	}
	return path, nil
}

// lock takes the lock that the only guest holds, waiting until then.
func lock(until time.Time) (unlock func(), err error) {
	dir, err := cacheDir()
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	retry := time.NewTicker(100 * time.Millisecond)
	defer retry.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(until) {
			f.Close()
			return nil, fmt.Errorf("another guest kernel is running and holds %s: %w; give the tests more -timeout", f.Name(), err)
		}
		<-retry.C
	}
}

// machine is a guest ready to boot.
type machine struct {
	tools
	dir   string // initrd and console
	share string // within dir: run, output, code
	image string
}

func prepare(t tools, dir string, args, env []string) (*machine, error) {
	m := &machine{tools: t, dir: dir, share: filepath.Join(dir, "share")}
	var err error
	if m.image, err = t.kernel.bootable(); err != nil {
		return nil, err
	}
	initrd, err := initramfs(t)
	if err != nil {
		return nil, err
	}
	cwd, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	base := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root", "TMPDIR=/tmp", insideVar + "=1"}
	script := runScript(t, args, append(base, env...), cwd)
	return m, errors.Join(
		os.Mkdir(m.share, 0o700),
		os.WriteFile(m.file("initrd"), initrd, 0o600),
		os.WriteFile(filepath.Join(m.share, "run"), script, 0o600),
	)
}

func (m *machine) file(name string) string { return filepath.Join(m.dir, name) }

// boot runs the guest to its end. The error says why it was cut short; whether
// its command came to an end only the result tells.
func (m *machine) boot(timeout time.Duration) error {
	// The parent-death signal is tied to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, m.qemu, m.arguments()...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("the guest was not done after %s", timeout)
	case err != nil:
		return fmt.Errorf("qemu: %w: %s", err, tail(out))
	}
	return nil
}

func (m *machine) arguments() []string {
	kernelArgs := "console=ttyS0 quiet panic=-1 reboot=t tsc=reliable"
	if khz := hostTSC(); khz > 0 {
		// Left to measure it itself, the guest now and then hangs on a busy host.
		kernelArgs += fmt.Sprintf(" tsc_early_khz=%d", khz)
	}
	return []string{
		"-M", "microvm,rtc=on", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1G",
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", m.image, "-initrd", m.file("initrd"), "-append", kernelArgs,
		"-serial", "file:" + m.file("console"),
		"-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
		"-device", "virtio-9p-device,fsdev=root,mount_tag=root",
		"-fsdev", "local,id=share,security_model=none,path=" + m.share,
		"-device", "virtio-9p-device,fsdev=share,mount_tag=share",
	}
}

func (m *machine) console() []byte {
	b, _ := os.ReadFile(m.file("console")) // none is as good as empty
	return b
}

// result is the output of the command and its exit code; the output also where
// the guest died before the code was written.
func (m *machine) result() ([]byte, int, error) {
	output, err := os.ReadFile(filepath.Join(m.share, "output"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, 0, err
	}
	b, err := os.ReadFile(filepath.Join(m.share, "code"))
	if err != nil {
		return output, 0, errors.New("the guest ended without an exit code")
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(b)))
	return output, code, err
}

var tscLine = regexp.MustCompile(`tsc: (?:Detected|Refined TSC clocksource calibration:) ([0-9.]+) MHz`)
var cpuLine = regexp.MustCompile(`(?m)^cpu MHz\s*: ([0-9.]+)`)

// hostTSC is the rate of the host's time stamp counter in kHz, which is the
// guest's too: as the kernel measured it, else the speed of a CPU, else 0.
func hostTSC() int {
	const readAll = 3 // SYSLOG_ACTION_READ_ALL of syslog(2)
	log := make([]byte, 1<<20)
	n, err := unix.Klogctl(readAll, log)
	if err != nil {
		n = 0
	}
	cpus, _ := os.ReadFile("/proc/cpuinfo")
	for _, found := range [][][]byte{last(tscLine.FindAllSubmatch(log[:n], -1)), cpuLine.FindSubmatch(cpus)} {
		if found == nil {
			continue
		}
		if mhz, err := strconv.ParseFloat(string(found[1]), 64); err == nil {
			return int(mhz * 1000)
		}
	}
	return 0
}

func last(all [][][]byte) [][]byte {
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}
