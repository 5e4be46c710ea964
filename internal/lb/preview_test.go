package lb

import (
	"fmt"
	"testing"

	"keepgo/internal/status"
)

func changes(list []status.Change) (lines []string) {
	for _, c := range list {
		lines = append(lines, fmt.Sprintf("%s %s %q %q %q", c.Name, c.What, c.Details, c.Kernel, c.Traffic))
	}
	return lines
}

func TestPreview(t *testing.T) {
	before := plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp())), vs(2, rs(1, 1)))
	n, _ := NewNode(before, nil)
	n.Step(down(1), nil)
	state := n.State()
	expect(t, "the same plan", lines(changes(before.Preview(plan(t, vs(1, rs(1, 3, tcp()), rs(2, 5, tcp())), vs(2, rs(1, 1))), &state))...), "")

	after := plan(t, vs(1, rs(1, 4, tcp()), rs(2, 5, tcp()), rs(3, 1, tcp())), vs(3, rs(1, 1)))
	got := lines(changes(before.Preview(after, &state))...)
	expect(t, "another plan", got, lines(
		`[10.1.0.2]:tcp:80 removed [] ["delete service [10.1.0.2]:tcp:80"] ["connections to [10.1.0.2]:tcp:80 end"]`,
		`[10.1.0.1]:tcp:80 changed ["3 checks, 1 of them new; what is new counts as up until it answers, or with alpha as down"] `+
			`["add server [10.0.0.3]:tcp:80 of [10.1.0.1]:tcp:80" "edit server [10.0.0.1]:tcp:80 of [10.1.0.1]:tcp:80"] `+
			`["[10.0.0.1]:tcp:80 gets weight 4 after 3; its connections stay"]`,
		`[10.1.0.3]:tcp:80 added [] ["add service [10.1.0.3]:tcp:80" "add server [10.0.0.1]:tcp:80 of [10.1.0.3]:tcp:80"] ["none"]`,
	))
}
