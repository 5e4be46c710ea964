package guest

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// kernel is a kernel image with its modules.
type kernel struct {
	version string
	image   string // /boot/vmlinuz-VERSION
	modules string // /lib/modules/VERSION
}

// findKernel is the newest kernel that has modules.
func findKernel() (kernel, error) {
	images, err := filepath.Glob("/boot/vmlinuz-*")
	if err != nil {
		return kernel{}, err
	}
	var found []kernel
	for _, image := range images {
		v := strings.TrimPrefix(filepath.Base(image), "vmlinuz-")
		k := kernel{version: v, image: image, modules: "/lib/modules/" + v}
		if _, err := os.Stat(k.modules + "/modules.dep"); err == nil {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return kernel{}, errors.New("no kernel with modules in /boot; install linux-image-amd64")
	}
	return slices.MaxFunc(found, func(a, b kernel) int { return compareVersions(a.version, b.version) }), nil
}

// compareVersions orders "6.1.0-56-amd64" before "6.12.1-2-amd64": numbers as
// numbers, the rest as text.
func compareVersions(a, b string) int {
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '-' || r == '+' })
	}
	return slices.CompareFunc(split(a), split(b), func(x, y string) int {
		n, errN := strconv.Atoi(x)
		m, errM := strconv.Atoi(y)
		if errN == nil && errM == nil {
			return cmp.Compare(n, m)
		}
		return cmp.Compare(x, y)
	})
}

// bootable is the unpacked kernel, which saves the emulated CPU seconds, or
// the image itself where it cannot be unpacked. It is unpacked once.
func (k kernel) bootable() (string, error) {
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	info, err := os.Stat(k.image)
	if err != nil {
		return "", err
	}
	name := filepath.Join(dir, fmt.Sprintf("vmlinux-%s-%d", k.version, info.ModTime().Unix()))
	if _, err := os.Stat(name); err == nil {
		return name, nil
	}
	image, err := os.ReadFile(k.image)
	if err != nil {
		return "", err
	}
	elf, err := unpackKernel(image)
	if err != nil {
		return k.image, nil // slower, and as good
	}
	if err := os.WriteFile(name+".new", elf, 0o600); err != nil {
		return "", err
	}
	return name, os.Rename(name+".new", name)
}

// unpackKernel takes the ELF kernel out of an x86 boot image, by the setup
// header of Documentation/arch/x86/boot.rst.
func unpackKernel(image []byte) ([]byte, error) {
	const (
		setupSectors  = 0x1f1
		payloadOffset = 0x248
		payloadLength = 0x24c
	)
	if len(image) < 0x250 {
		return nil, errors.New("kernel image: too short")
	}
	first := (int(image[setupSectors])+1)*512 + int(binary.LittleEndian.Uint32(image[payloadOffset:]))
	last := first + int(binary.LittleEndian.Uint32(image[payloadLength:]))
	if first >= last || last > len(image) {
		return nil, errors.New("kernel image: the payload is beyond its end")
	}
	elf, err := decompress(image[first:last])
	if err == nil && !bytes.HasPrefix(elf, []byte("\x7fELF")) {
		err = errors.New("kernel image: the payload is no ELF file")
	}
	return elf, err
}

// decompress undoes gzip, xz or zstd. A kernel payload has its size behind the
// compressed stream, which must not trouble.
func decompress(b []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		return io.ReadAll(z)
	case bytes.HasPrefix(b, []byte("\xfd7zXZ\x00")):
		return filter(b, "xz", "-dc", "--single-stream")
	case bytes.HasPrefix(b, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// zstd refuses what follows, after it has written everything.
		out, _ := filter(b, "zstd", "-dcq")
		return out, nil
	}
	return b, nil
}

func filter(in []byte, name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	return cmd.Output()
}

// load is the module files to insert for the named modules, in order, each
// after what it depends on (modules.dep).
func (k kernel) load(names ...string) ([]string, error) {
	b, err := os.ReadFile(k.modules + "/modules.dep")
	if err != nil {
		return nil, err
	}
	needs := map[string][]string{} // by module name
	for line := range strings.Lines(string(b)) {
		file, deps, _ := strings.Cut(line, ":")
		needs[moduleName(file)] = append([]string{file}, strings.Fields(deps)...)
	}
	var files []string
	for _, name := range names {
		files = appendModule(files, needs, name)
	}
	return files, nil
}

// appendModule appends a module behind its dependencies, which modules.dep
// lists in reverse. A module that is not there is built in.
func appendModule(files []string, needs map[string][]string, name string) []string {
	for _, file := range slices.Backward(needs[name]) {
		if !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}

// moduleName is "9pnet_virtio" for "kernel/net/9p/9pnet_virtio.ko.xz".
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
