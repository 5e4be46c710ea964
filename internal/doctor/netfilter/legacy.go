package netfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unsafe"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// legacyFamily is where iptables of old keeps its tables and how.
type legacyFamily struct {
	names              string // file that lists the tables in use
	level, info, table int    // of getsockopt: linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h
	family             int
	word               string
	size               int // bytes of an address
	offsets            int // where an entry says how long it is
	head               int // bytes of an entry before its matches
}

var legacyFamilies = map[bool]legacyFamily{
	false: {"/proc/net/ip_tables_names", unix.SOL_IP, 64, 65, unix.AF_INET, "iptables (legacy)", 4, 88, 112},
	true:  {"/proc/net/ip6_tables_names", unix.SOL_IPV6, 64, 65, unix.AF_INET6, "ip6tables (legacy)", 16, 140, 168},
}

// legacyTables see packets on their way in.
var legacyTables = []string{"raw", "mangle", "filter"}

// legacyHooks are the built-in chains, by the hook they stand at
// (NF_INET_PRE_ROUTING and so on). The first two see packets for this machine.
var legacyHooks = [5]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// ReadLegacy reads the tables of iptables as it was before nftables. It loads no
// module: what is not in use is not asked for.
func ReadLegacy(ipv6 bool) (*Ruleset, error) {
	f := legacyFamilies[ipv6]
	r := newRuleset()
	list, err := os.ReadFile(f.names)
	if errors.Is(err, os.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	fd, err := unix.Socket(f.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.word, err)
	}
	defer unix.Close(fd)
	for i, t := range legacyTables {
		if !slices.Contains(strings.Fields(string(list)), t) {
			continue
		}
		blob, info, err := f.read(fd, t)
		if err == nil {
			err = f.parse(r, blob, info, t, i)
		}
		if err != nil {
			return nil, fmt.Errorf("%s table %s: %w", f.word, t, err)
		}
	}
	return r, nil
}

// Lengths of ipt_getinfo and of ipt_get_entries without its entries.
const (
	infoLength    = 84
	entriesLength = 40
	maxEntries    = 64 << 20
)

// legacyInfo is ipt_getinfo.
type legacyInfo struct {
	hooks, policies [5]int // offsets of the first entry of a chain and of its policy; -1 for none
	size            uint32
}

// at is the built-in chain that begins at an offset, or -1.
func (i *legacyInfo) at(offset int) int { return slices.Index(i.hooks[:], offset) }

func (f legacyFamily) read(fd int, table string) (blob []byte, info legacyInfo, err error) {
	b := make([]byte, infoLength)
	copy(b, table)
	if err := getsockopt(fd, f.level, f.info, b); err != nil {
		return nil, info, err
	}
	info.locate(b)
	if info.size = binary.NativeEndian.Uint32(b[80:]); info.size > maxEntries {
		return nil, info, fmt.Errorf("%d bytes of rules", info.size)
	}
	b = make([]byte, entriesLength+info.size)
	copy(b, table)
	binary.NativeEndian.PutUint32(b[32:], info.size)
	err = getsockopt(fd, f.level, f.table, b)
	return b[entriesLength:], info, err
}

// locate reads where the chains begin, of those that the table has.
func (i *legacyInfo) locate(b []byte) {
	valid := binary.NativeEndian.Uint32(b[32:])
	for h := range i.hooks {
		i.hooks[h], i.policies[h] = -1, -1
		if valid&(1<<h) != 0 {
			i.hooks[h], i.policies[h] = int(binary.NativeEndian.Uint32(b[36+4*h:])), int(binary.NativeEndian.Uint32(b[56+4*h:]))
		}
	}
}

func getsockopt(fd, level, option int, b []byte) error {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// Verdicts of the standard target: linux/netfilter/x_tables.h.
const (
	legacyDrop   = -1
	legacyAccept = -2
	legacyReturn = -5
	errorTarget  = "ERROR" // begins a chain of the user's, or ends the table
	targetHead   = 32      // xt_entry_target
)

// parse turns the entries of a table into chains: they are one list, chains
// begin at a hook's entry or behind an ERROR target, and jumps are offsets.
func (f legacyFamily) parse(r *Ruleset, blob []byte, info legacyInfo, table string, order int) error {
	name := func(offset int) string { return fmt.Sprintf("at %d", offset) }
	title := f.word + " " + table
	chain := (*Chain)(nil)
	for at := 0; at < len(blob); {
		if at+f.head > len(blob) {
			return errors.New("entries end in the midst")
		}
		e := blob[at:]
		target, next := int(binary.NativeEndian.Uint16(e[f.offsets:])), int(binary.NativeEndian.Uint16(e[f.offsets+2:]))
		if target < f.head || next < target+targetHead || at+next > len(blob) {
			return errors.New("an entry does not fit")
		}
		e = e[:next]
		word, _, _ := bytes.Cut(e[target+2:target+31], []byte{0})
		verdict := int32(0)
		if len(e) >= target+targetHead+4 {
			verdict = int32(binary.NativeEndian.Uint32(e[target+targetHead:]))
		}
		if hook := info.at(at); hook >= 0 {
			chain = &Chain{Table: title, Name: legacyHooks[hook], Base: hook < 2, Priority: hook*len(legacyTables) + order}
			r.chains[chain.key()] = chain
		}
		here := at
		at += next
		if string(word) == errorTarget {
			chain = &Chain{Table: title, Name: name(at)}
			r.chains[chain.key()] = chain
			continue
		}
		if chain == nil {
			return errors.New("rules before the first chain")
		}
		if slices.Contains(info.policies[:], here) {
			chain.Drops = verdict == legacyDrop
			continue
		}
		rule := f.rule(e, target, string(word), verdict, name)
		rule.Text = fmt.Sprintf("rule %d", len(chain.Rules)+1)
		chain.Rules = append(chain.Rules, rule)
	}
	return nil
}

// rule is an entry in the language of nftables.
func (f legacyFamily) rule(e []byte, target int, word string, verdict int32, name func(int) string) Rule {
	rule := Rule{Exprs: f.conditions(e)}
	if target > f.head {
		rule.Exprs = append(rule.Exprs, &expr.Match{}) // what it is cannot be judged
	}
	switch {
	case word != "":
		rule.Exprs = append(rule.Exprs, &expr.Target{Name: word})
	case verdict == legacyDrop:
		rule.Exprs = append(rule.Exprs, &expr.Verdict{Kind: expr.VerdictDrop})
	case verdict == legacyAccept:
		rule.Exprs = append(rule.Exprs, &expr.Verdict{Kind: expr.VerdictAccept})
	case verdict == legacyReturn:
		rule.Exprs = append(rule.Exprs, &expr.Verdict{Kind: expr.VerdictReturn})
	case verdict >= 0:
		rule.Exprs = append(rule.Exprs, &expr.Verdict{Kind: expr.VerdictJump, Chain: name(int(verdict))})
	}
	return rule
}

// conditions are those of ipt_ip and ip6t_ip6: addresses, interface, protocol.
func (f legacyFamily) conditions(e []byte) (list []expr.Any) {
	n := f.size
	links, after := 4*n, 4*n+64
	flags, inverted := e[after+2], e[after+3]
	offsets := map[bool][2]uint32{false: {12, 16}, true: {8, 24}}[n == 16] // of source and destination in the header
	if n == 16 {
		flags, inverted = e[after+3], e[after+4]
	}
	for i, bit := range []byte{0x08, 0x10} { // IPT_INV_SRCIP, IPT_INV_DSTIP
		address, mask := e[i*n:(i+1)*n], e[(2+i)*n:(3+i)*n]
		if !bytes.Equal(mask, make([]byte, n)) {
			list = append(list, &expr.Payload{DestRegister: 1, Base: expr.PayloadBaseNetworkHeader, Offset: offsets[i], Len: uint32(n)},
				&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: uint32(n), Mask: mask, Xor: make([]byte, n)},
				&expr.Cmp{Op: equalUnless(inverted&bit != 0), Register: 1, Data: address})
		}
	}
	link, mask := e[links:links+16], e[links+32:links+48]
	if !bytes.Equal(mask, make([]byte, 16)) {
		list = append(list, &expr.Meta{Key: expr.MetaKeyIIFNAME, Register: 1},
			&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: 16, Mask: mask, Xor: make([]byte, 16)},
			&expr.Cmp{Op: equalUnless(inverted&0x01 != 0), Register: 1, Data: link}) // IPT_INV_VIA_IN
	}
	if p := binary.NativeEndian.Uint16(e[after:]); p != 0 {
		list = append(list, &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, &expr.Cmp{Op: equalUnless(inverted&0x40 != 0), Register: 1, Data: []byte{byte(p)}})
	}
	if flags&0x01 != 0 && n == 4 { // IPT_F_FRAG: later fragments, which an advert is not
		list = append(list, &expr.Immediate{Register: 1, Data: []byte{0}}, &expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{1}})
	}
	return list
}

func equalUnless(inverted bool) expr.CmpOp {
	if inverted {
		return expr.CmpOpNeq
	}
	return expr.CmpOpEq
}
