// Package control speaks to a running daemon over its control socket: HTTP with
// JSON, on a Unix socket of root and a group.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"keepgo/internal/status"
)

// timeout bounds a whole exchange; a switchover is the longest.
const timeout = 5 * time.Minute

// Refusal is the body of an answer that is no success.
type Refusal struct {
	Error string `json:"error"`
}

// File is what a preview is asked with.
type File struct {
	Path string `json:"path"` // absolute
}

// Auto, as the verb of a ServerOrder, takes back what was ordered.
const Auto = "auto"

// LeaveOrder asks the daemon to leave a virtual server in IPVS as somebody made
// it on purpose.
type LeaveOrder struct {
	Service string `json:"service"` // by keepalived's name, as [10.0.0.1]:tcp:80
}

// ServerOrder is an order for a real server: drain, down, up, weight or Auto.
type ServerOrder struct {
	Verb    string        `json:"verb"`
	Server  string        `json:"server"`            // address, address and port, or name
	Service string        `json:"service,omitempty"` // "" for every virtual server that has it
	Weight  int           `json:"weight,omitempty"`
	For     time.Duration `json:"for,omitempty"` // in nanoseconds; 0 for no end
}

// MaintenanceOrder begins or ends maintenance.
type MaintenanceOrder struct {
	On  bool          `json:"on"`
	For time.Duration `json:"for,omitempty"`
}

// SwitchoverOrder hands an instance or a sync group over.
type SwitchoverOrder struct {
	Name  string        `json:"name"`
	For   time.Duration `json:"for,omitempty"`
	Break bool          `json:"break,omitempty"` // with priority 0, if nobody takes over otherwise
	Back  bool          `json:"back,omitempty"`  // take the order back instead
	Keep  bool          `json:"keep,omitempty"`  // give the order that is in force this end instead
}

// DrillOrder begins a drill, which is over after For even if it dies.
type DrillOrder struct {
	Name string        `json:"name"` // of the instance or group
	For  time.Duration `json:"for"`
}

// DrillEnd tells how a drill went.
type DrillEnd struct {
	Passed bool   `json:"passed"`
	Why    string `json:"why,omitempty"` // what was wrong
}

// Handed is what became of a handover.
type Handed struct {
	To     map[string]string `json:"to,omitempty"`   // who has each instance now; "" where that was not heard
	Kept   []string          `json:"kept,omitempty"` // those that nobody took over
	Took   time.Duration     `json:"took"`
	Broken bool              `json:"broken,omitempty"` // with priority 0
}

// Upgraded is what an upgrade that has begun puts in whose place.
type Upgraded struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Program string `json:"program"` // its file
}

// Client asks the daemon behind one socket.
type Client struct {
	path string
	http http.Client
}

// New makes a client for the control socket at path.
func New(path string) *Client {
	c := &Client{path: path, http: http.Client{Timeout: timeout}}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	return c
}

// Get asks for a resource, such as /status, and decodes the answer. The error
// is for the operator: no daemon, no permission, or what the daemon refused.
func (c *Client) Get(ctx context.Context, resource string, into any) error {
	return c.exchange(ctx, http.MethodGet, resource, nil, into)
}

// Post hands over a value and decodes the answer, unless into is nil.
func (c *Client) Post(ctx context.Context, resource string, value, into any) error {
	b, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return c.exchange(ctx, http.MethodPost, resource, bytes.NewReader(b), into)
}

// Status asks how the daemon is.
func (c *Client) Status(ctx context.Context) (*status.Status, error) {
	var s status.Status
	if err := c.Get(ctx, "/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

func (c *Client) exchange(ctx context.Context, method, resource string, body io.Reader, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://keepgo"+resource, body)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return c.unreachable(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		var r Refusal
		if err := json.NewDecoder(resp.Body).Decode(&r); err != nil || r.Error == "" {
			return fmt.Errorf("the daemon answers %s", resp.Status)
		}
		return errors.New(r.Error)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the daemon's answer: %w", err)
	}
	return nil
}

// unreachable says what to do about a daemon that does not answer.
func (c *Client) unreachable(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no daemon answers at %s: it does not run, or --control gave it another socket", c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s is for root and for the group that control_group names; join it, or use sudo", c.path)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the daemon at %s does not answer in time", c.path)
	}
	return err
}
