package confparse

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"keepgo/confparse/syntax"
)

// in gives the range as the manual prints it.
func (k kind[V]) in(rng string) kind[V] {
	k.rng = rng
	return k
}

// optional is a value that may be left out for another.
func optional[V any](k kind[V], without V) kind[V] {
	read := k.read
	k.args = "[" + k.args + "]"
	k.read = func(s *stmt) (V, bool) {
		if s.i >= len(s.n.Words) {
			return without, true
		}
		return read(s)
	}
	return k
}

// given keeps a value apart from none.
func given[V any](k kind[V]) kind[*V] {
	return kind[*V]{args: k.args, rng: k.rng, def: k.def, read: func(s *stmt) (*V, bool) {
		v, ok := k.read(s)
		return &v, ok
	}}
}

// clamped is a number that is moved into its range.
func clamped(lo, hi int64) kind[int] {
	k := number[int](math.MinInt32, math.MaxInt32)
	read := k.read
	k.rng = strconv.FormatInt(lo, 10) + "-" + strconv.FormatInt(hi, 10)
	k.read = func(s *stmt) (int, bool) {
		n, ok := read(s)
		if c := min(max(n, int(lo)), int(hi)); ok && c != n {
			s.warn(s.n.Words[1], strconv.Itoa(c)+" is used", "%s %d is out of range %s", s.name(), n, k.rng)
			return c, true
		}
		return n, ok
	}
	return k
}

// ticks is a whole number of a unit of time.
func ticks(args string, unit time.Duration, lo, hi int64) kind[time.Duration] {
	k := number[int64](lo, hi)
	return kind[time.Duration]{args: args, rng: k.rng, read: func(s *stmt) (time.Duration, bool) {
		n, ok := k.read(s)
		return time.Duration(n) * unit, ok
	}}
}

// absolute is the path of a file from the root.
func absolute() kind[string] {
	k := filePath()
	k.rng = "an absolute path"
	k.read = func(s *stmt) (string, bool) {
		w, ok := s.value("a path")
		if ok && !strings.HasPrefix(w.Text, "/") {
			s.fail(w, "begin it with '/'", "%s: '%s' is not an absolute path", s.name(), clip(w.Text))
			return "", false
		}
		return w.Text, ok
	}
	return k
}

// processName is a name of the kernel for a process: TASK_COMM_LEN in
// linux/sched.h leaves 15 letters.
func processName() kind[string] {
	k := text("string")
	k.rng = "up to 15 characters"
	read := k.read
	k.read = func(s *stmt) (string, bool) {
		name, ok := read(s)
		if ok && len(name) > 15 {
			s.warn(s.n.Words[1], "", "%s: only the first 15 characters ('%s') are used", s.name(), name[:15])
			name = name[:15]
		}
		return name, ok
	}
	return k
}

// maxCPU is CPU_SETSIZE of sched.h.
const maxCPU = 1024

// processors is a list of CPU numbers.
func processors() kind[[]int] {
	return kind[[]int]{args: "<CPU> ...", rng: "CPU numbers", def: "all", read: func(s *stmt) (list []int, ok bool) {
		if _, ok := s.value("CPU numbers"); !ok {
			return nil, false
		}
		for s.i--; s.i < len(s.n.Words); {
			w, _ := s.next()
			n, ok := s.whole(w, 0, maxCPU-1, "0-1023")
			if !ok {
				return nil, false
			}
			if len(list) < maxCPU {
				list = append(list, int(n))
			}
		}
		return list, true
	}}
}

// umaskBits are the names of chmod(2) for the bits of a mask.
var umaskBits = map[string]uint32{
	"IRUSR": 0o400, "IWUSR": 0o200, "IXUSR": 0o100, "IRWXU": 0o700,
	"IRGRP": 0o040, "IWGRP": 0o020, "IXGRP": 0o010, "IRWXG": 0o070,
	"IROTH": 0o004, "IWOTH": 0o002, "IXOTH": 0o001, "IRWXO": 0o007,
}

// umask is a file creation mask in octal or by the names of its bits.
func umask() kind[uint32] {
	return kind[uint32]{args: "<OCTAL> | <BIT>[|<BIT>...]", rng: "0-0777, or IRUSR to IRWXO", read: func(s *stmt) (uint32, bool) {
		first, ok := s.value("an octal number or names of bits")
		if !ok {
			return 0, false
		}
		all := first.Text
		for _, w := range s.rest() {
			all += w.Text
		}
		if mask, err := ParseUmask(all); err != nil {
			s.fail(first, "an octal number, or names such as IRWXG|IRWXO", "%w", err)
		} else {
			return mask, true
		}
		return 0, false
	}}
}

// ParseUmask reads a file creation mask: an octal number up to 0777, or the
// names of its bits (chmod(2)), with or without S_, between vertical bars.
func ParseUmask(text string) (mask uint32, err error) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil {
		if n > 0o777 {
			return 0, fmt.Errorf("umask %s is above 0777", text)
		}
		return uint32(n), nil
	}
	for name := range strings.SplitSeq(text, "|") {
		bit, known := umaskBits[strings.ToUpper(strings.TrimPrefix(name, "S_"))]
		if !known {
			return 0, fmt.Errorf("unknown bit '%s' of umask", clip(name))
		}
		mask |= bit
	}
	return mask, nil
}

// pattern is text of hexadecimal digits, in which x stands for any digit.
// A single digit before a blank is an octet of its own.
func (s *stmt) pattern(words []syntax.Word, wild bool) (value, mask []byte, ok bool) {
	for _, w := range words {
		for _, text := range strings.Fields(w.Text) {
			v, m, good := octets(strings.TrimPrefix(text, "0x"), wild)
			if !good {
				s.fail(w, "", "%s: '%s' is not made of hex digits", s.name(), clip(text))
				return nil, nil, false
			}
			value, mask = append(value, v...), append(mask, m...)
		}
	}
	return value, mask, true
}

// octets decodes digits, two an octet.
func octets(text string, wild bool) (value, mask []byte, ok bool) {
	if len(text)%2 == 1 {
		text = "0" + text
	}
	zeros, ones := []byte(text), make([]byte, len(text))
	for i, c := range zeros {
		ones[i] = 'f'
		if wild && (c == 'x' || c == 'X' || c == '?') {
			zeros[i], ones[i] = '0', '0'
		}
	}
	value, err := hex.DecodeString(string(zeros))
	if err != nil {
		return nil, nil, false
	}
	mask, err = hex.DecodeString(string(ones))
	return value, mask, err == nil
}
