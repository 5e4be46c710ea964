package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"keepgo/internal/control"
	"keepgo/internal/daemon"
	"keepgo/internal/ipvsadm/tool"
	"keepgo/internal/status"
	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
)

// daemonTime bounds how long a daemon may take to say what it holds.
const daemonTime = 5 * time.Second

// runIPVS is ipvsadm(8) as a verb.
func runIPVS(args []string, out, errs io.Writer) int {
	return ipvsadmNamed("keepgo ipvs", args, out, errs)
}

// ipvsadmNamed carries out a command line of ipvsadm; name is what messages
// call the program.
func ipvsadmNamed(name string, args []string, out, errs io.Writer) int {
	t := tool.Tool{
		Open:  func() (tool.Kernel, error) { return genl.Dial() },
		Names: &tool.SystemNames{}, Guard: &holder{client: control.New(daemon.Defaults().Control)},
		In: os.Stdin, Out: out, Errs: errs,
	}
	return t.Run(append([]string{name}, args...))
}

// holder asks the running daemon which services it holds.
type holder struct {
	client *control.Client
	asked  bool
	status *status.Status // nil where no daemon answers
}

// Holder is the daemon, where it has the service in its configuration.
func (h *holder) Holder(k ipvsctl.ServiceKey) string {
	if !h.asked {
		h.asked = true
		ctx, cancel := context.WithTimeout(context.Background(), daemonTime)
		defer cancel()
		// Without a daemon nobody holds anything.
		h.status, _ = h.client.Status(ctx)
	}
	if h.status == nil {
		return ""
	}
	for _, s := range h.status.Services {
		if s.Name == k.String() {
			return fmt.Sprintf("the running keepgo (pid %d, %s)", h.status.PID, h.status.Config)
		}
	}
	return ""
}

// Tell lets the daemon leave the service as it is now.
func (h *holder) Tell(k ipvsctl.ServiceKey) error {
	ctx, cancel := context.WithTimeout(context.Background(), daemonTime)
	defer cancel()
	return h.client.Post(ctx, "/leave", control.LeaveOrder{Service: k.String()}, nil)
}
