package lab

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp/syntax"
	"slices"
	"strings"
	"time"

	"keepgo/checker/pcre"
	"keepgo/confparse"
	ksyntax "keepgo/confparse/syntax"
)

// page is what a server of the lab answers for a url block.
type page struct {
	status int
	body   string
	lacks  string // why what the block expects cannot be served; "" if it is
}

// pageID is a url block of a file. Its place alone does not do: a loop of the
// file makes many blocks of one place.
type pageID struct {
	pos  ksyntax.Pos
	path string
}

// pagesOf are the pages of all url blocks of a configuration.
func pagesOf(c *confparse.Config) map[pageID]*page {
	pages := map[pageID]*page{}
	for _, vs := range c.VirtualServers {
		for _, rs := range vs.Servers {
			for _, check := range rs.Checkers {
				if check.HTTP == nil {
					continue
				}
				for i := range check.HTTP.URLs {
					u := &check.HTTP.URLs[i]
					pages[pageID{u.Pos, u.Path}] = newPage(u)
				}
			}
		}
	}
	return pages
}

// newPage makes a page with the status that a url block expects and a body that
// its regex matches. No body can be made for a digest: the file that is played
// has that of the page instead.
func newPage(u *confparse.URL) *page {
	p := &page{status: statusOf(u), body: plainBody}
	if p.status == 0 {
		p.status = http.StatusOK
		p.lacks = "no status_code of it is one that a web server sends"
	}
	if u.Regex == "" {
		return p
	}
	if body, ok := bodyFor(u); ok {
		p.body = body
	} else {
		p.lacks = fmt.Sprintf("no page is found for regex %q", u.Regex)
	}
	return p
}

// plainBody is the body where none is asked for.
const plainBody = "a page of the rehearsal\n"

// digest is what keepgo hash prints of the page: MD5 of its body.
func (p *page) digest() string {
	sum := md5.Sum([]byte(p.body))
	return hex.EncodeToString(sum[:])
}

// statusOf is a status that a url block expects, one with a body if there is
// any; 0 if there is none.
func statusOf(u *confparse.URL) int {
	if len(u.Status) == 0 {
		return http.StatusOK
	}
	bare := 0
	for _, r := range u.Status {
		for code := max(r.First, 200); code <= r.Last; code++ {
			if code != http.StatusNoContent && code != http.StatusNotModified {
				return code
			}
			bare = code
		}
	}
	return bare
}

// wrong is the status that tells a check of the page that the server is ill.
func (p *page) wrong() int {
	if p.status == http.StatusServiceUnavailable {
		return http.StatusInternalServerError
	}
	return http.StatusServiceUnavailable
}

// searchTime bounds one search in a body.
const searchTime = time.Second

// bodyFor is a body that a url block's pattern matches, or does not where it
// must not.
func bodyFor(u *confparse.URL) (string, bool) {
	pattern := pcre.Pattern{Text: u.Regex, Options: u.RegexOptions, Min: u.RegexMin, Max: u.RegexMax}
	m, err := pattern.Compile(searchTime)
	if err != nil {
		return "", false
	}
	for _, body := range candidates(u) {
		if found, err := m.Match(strings.NewReader(body)); err == nil && found != u.RegexNegate {
			return body, true
		}
	}
	return "", false
}

// candidates are bodies worth a try.
func candidates(u *confparse.URL) []string {
	list := []string{plainBody, "-\n"}
	re, err := syntax.Parse(u.Regex, syntax.Perl)
	if err != nil {
		return list
	}
	var b strings.Builder
	sample(&b, re)
	pad := strings.Repeat(" ", min(u.RegexMin, 1<<16))
	return append(list, b.String()+"\n", b.String(), pad+b.String()+"\n", pad+"\n"+b.String())
}

// sample writes a short text that a pattern matches.
func sample(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		b.WriteRune(member(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('x')
	case syntax.OpCapture, syntax.OpPlus:
		sample(b, re.Sub[0])
	case syntax.OpAlternate:
		sample(b, re.Sub[0])
	case syntax.OpRepeat:
		for range min(re.Min, 1000) {
			sample(b, re.Sub[0])
		}
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			sample(b, sub)
		}
	}
}

// member is a character of a class, a letter or digit if it has one.
func member(ranges []rune) rune {
	for _, r := range "xX0 " {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				return r
			}
		}
	}
	if i := slices.IndexFunc(ranges, func(r rune) bool { return r > ' ' && r < 0x7f }); i >= 0 {
		return ranges[i]
	}
	return append(ranges, 'x')[0]
}
