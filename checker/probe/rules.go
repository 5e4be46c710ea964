package probe

import (
	"fmt"

	"keepgo/checker"
)

// Rules says, in the words of the configuration, what the answer to the step-th
// request of c must be for it to pass.
func Rules(c *checker.Check, step int) string {
	p := &c.Probe
	switch {
	case p.Kind == checker.HTTP && p.Web != nil && step < len(p.Web.URLs):
		return urlRules(&p.Web.URLs[step])
	case p.Kind == checker.Script && p.Program != nil && p.Program.Dynamic:
		return fmt.Sprintf("exit status 0, or 2 to 255 for weight 0 to 253 (misc_dynamic), within misc_timeout %v", c.Timeout)
	case p.Kind == checker.Script:
		return fmt.Sprintf("exit status 0 within misc_timeout %v", c.Timeout)
	case p.Kind == checker.SMTP:
		return "220 for a greeting, 250 for HELO"
	case p.Kind == checker.DNS:
		return "any answer to the question with rcode 0"
	case p.Kind == checker.UDP && p.Datagram != nil:
		return datagramRules(p.Datagram)
	case p.Kind == checker.Ping:
		return "an echo"
	}
	return "an established connection"
}

func urlRules(url *checker.URL) string {
	text := "status_code " + wantedText(url.Status)
	if url.Digest != "" {
		text += ", digest " + url.Digest
	}
	if url.Regex != nil {
		text += ", " + regexRule(url)
	}
	return text
}

func datagramRules(d *checker.Datagram) string {
	switch {
	case !d.Required:
		return "an answer, or silence without an ICMP error"
	case len(d.Reply) == 0:
		return "an answer (require_reply)"
	}
	return fmt.Sprintf("an answer of %d to %d bytes that begins %x under the mask %x (require_reply)", d.Min, d.Max, d.Reply, d.Mask)
}
