package manual

import (
	"fmt"
	"strings"

	"keepgo/confparse"
)

// Page is the man page keepgo.conf(5), in the man macros of groff.
func Page(version string) string {
	p := page{told: map[string]string{}}
	fmt.Fprintf(&p.b, ".TH KEEPGO.CONF 5 \"\" \"keepgo %s\" \"File formats\"\n", version)
	p.section("NAME", "keepgo.conf - what keepgo does, in the language of keepalived.conf")
	p.section("DESCRIPTION", introduction...)
	p.section("THE TEXT", "Before any keyword is looked at, these are done with.")
	p.rows(confparse.TextBlock())
	for _, k := range confparse.Top().Keywords() {
		if k.Block != nil {
			p.block(nil, k)
		}
	}
	p.section("KEYWORDS OF THE TOP LEVEL", "These stand outside every block.")
	for _, k := range confparse.Top().Keywords() {
		if k.Block == nil {
			p.keyword(k)
		}
	}
	p.section("EXAMPLE", "Two directors with this file, on one of them with a higher priority, share an address and a service.")
	p.example(example)
	p.section("SEE ALSO", "keepgo check FILE says what is wrong with a file, keepgo dump FILE what it comes to, and keepgo manual NAME all about one keyword.")
	return p.b.String()
}

var introduction = []string{
	"The file consists of statements, one a line. A statement is a keyword with its values. A keyword that opens a block has a '{' at the end of its line; the block ends with '}'. Some blocks hold statements, others lines of a list.",
	"Words are parted by blanks. Double quotes hold a value with blanks together, and \\ takes the meaning from the letter behind it. Commands and patterns are split a second time; there single quotes hold together as well.",
	"The order of blocks has no meaning. A keyword that is set again replaces the one before. Whatever is not known is told and passed over with its whole block; the rest of the file counts.",
	"Seconds may have decimals. <BOOL> is one of true, on, yes, false, off and no; without it a keyword is on. <IF> is an interface, <SCRIPT> a command, in quotes if it has arguments.",
}

const example = `vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    virtual_ipaddress {
        192.0.2.100/24
    }
}

virtual_server 192.0.2.100 80 {
    lvs_sched rr
    lvs_method DR
    protocol TCP
    real_server 192.0.2.11 80 {
        TCP_CHECK {
            connect_timeout 3
        }
    }
}
`

// page is a man page being written.
type page struct {
	b    strings.Builder
	told map[string]string // insides of blocks, and where they are told
}

// escape keeps text from being read as markup.
var escape = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`)

// line writes text as one line of the page.
func (p *page) line(macro, text string) {
	text = escape.Replace(text)
	if text == "" {
		text = ".sp"
	} else if macro != "" {
		text = macro + ` "` + text + `"`
	} else if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	p.b.WriteString(text + "\n")
}

func (p *page) section(title string, paragraphs ...string) {
	p.line(".SH", title)
	for i, text := range paragraphs {
		if i > 0 {
			p.b.WriteString(".PP\n")
		}
		p.line("", text)
	}
}

func (p *page) example(text string) {
	p.b.WriteString(".PP\n.RS 4\n.nf\n")
	for line := range strings.Lines(text) {
		p.line("", strings.TrimSuffix(line, "\n"))
	}
	p.b.WriteString(".fi\n.RE\n")
}

// block writes a block and the blocks inside it.
func (p *page) block(path []string, k *confparse.Keyword) {
	path = append(path[:len(path):len(path)], k.Name)
	name := strings.Join(path, " > ")
	macro := ".SS"
	if len(path) == 1 {
		macro = ".SH"
	}
	p.line(macro, name)
	p.line("", head(k))
	p.b.WriteString(".PP\n")
	p.line("", about(k))
	inside := signature(&confparse.Keyword{Block: k.Block})
	if k.Item != nil {
		inside += signature(k.Item)
	}
	if where := p.told[inside]; where != "" {
		p.b.WriteString(".PP\n")
		p.line("", "What may stand in it is the same as in "+where+".")
		return
	}
	p.told[inside] = name
	if k.Item != nil {
		p.keyword(k.Item)
	}
	p.rows(k.Block)
	for _, inner := range k.Block.Keywords() {
		if inner.Block != nil {
			p.block(path, inner)
		}
	}
}

// rows writes the keywords of a block that open none.
func (p *page) rows(b confparse.Block) {
	for _, k := range b.Keywords() {
		if k.Block == nil {
			p.keyword(k)
		}
	}
}

func (p *page) keyword(k *confparse.Keyword) {
	p.b.WriteString(".TP\n")
	p.line(".B", head(k))
	p.line("", about(k))
	if k.Options == nil {
		return
	}
	p.b.WriteString(".RS\n")
	if k.Item != nil {
		p.keyword(k.Item)
	}
	p.rows(k.Options)
	p.b.WriteString(".RE\n")
}

// about is the sentence of a keyword with what is known of it.
func about(k *confparse.Keyword) string {
	text := k.Doc
	for _, f := range facts(k) {
		switch f.name {
		case "since":
			text += " Since " + f.text + "."
		case "status":
			text += " " + strings.ToUpper(f.text[:1]) + f.text[1:] + "."
		case "old":
			text += " Deprecated: " + f.text + "."
		case "same as":
			text += " The same as " + f.text + "."
		default:
			text += " " + strings.ToUpper(f.name[:1]) + f.name[1:] + ": " + f.text + "."
		}
	}
	return text
}
