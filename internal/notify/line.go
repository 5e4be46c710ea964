package notify

import "fmt"

// Line is what a FIFO carries for the edge, ended by a newline. The name stands
// as it is configured, quotes in it included (vrrp_notify.c, notify_fifo).
func Line(e Edge) string {
	return fmt.Sprintf("%s \"%s\" %s %d\n", e.Kind, e.Name, e.State, e.Priority)
}

// serverLine ends the line of a virtual or a real server. keepalived sends the
// terminating NUL of the string along, and readers that split at NUL count on
// it (ipwrapper.c, notify_fifo_vs); plain leaves it away.
func serverLine(text string, plain bool) string {
	if plain {
		return text + "\n"
	}
	return text + "\n\x00"
}
