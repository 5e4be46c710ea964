package failover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

// Bounds of what another machine is asked for.
const (
	readLimit = 5 * time.Second
	maxBody   = 64 << 20 // bytes; the status of ten thousand services has five million
)

// isURL tells a URL from the name of a file.
func isURL(where string) bool {
	return strings.HasPrefix(where, "http://") || strings.HasPrefix(where, "https://")
}

// readJSON decodes a document from a file, a URL, or from in where that is "-".
func readJSON(ctx context.Context, where string, in io.Reader, into any) error {
	if where != "-" {
		body, err := open(ctx, where)
		if err != nil {
			return err
		}
		defer body.Close()
		in = body
	}
	if err := json.NewDecoder(io.LimitReader(in, maxBody)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", where, err)
	}
	return nil
}

func open(ctx context.Context, where string) (io.ReadCloser, error) {
	if !isURL(where) {
		return os.Open(where)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, err
	}
	c := http.Client{Timeout: readLimit}
	resp, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answers %s", where, resp.Status)
	}
	return resp.Body, nil
}

// readPeer gets the other director's status: what metrics_listen serves there,
// or keepgo status --json printed.
func readPeer(ctx context.Context, where string, in io.Reader) (*status.Status, error) {
	if where == "" {
		return nil, nil
	}
	if u, err := url.Parse(where); err == nil && isURL(where) && strings.Trim(u.Path, "/") == "" {
		u.Path = "/status"
		where = u.String()
	}
	var s status.Status
	if err := readJSON(ctx, where, in, &s); err != nil {
		return nil, err
	}
	if s.Asked.IsZero() {
		return nil, fmt.Errorf("%s is no status of a keepgo: http://HOST:PORT of its metrics_listen, or what keepgo status --json prints there", where)
	}
	return &s, nil
}

// ReadObservation gets an observation. That of a URL has its times put right by
// the observer's clock.
func ReadObservation(ctx context.Context, where string) (*drill.Observation, error) {
	asked := time.Now()
	var o drill.Observation
	if err := readJSON(ctx, where, nil, &o); err != nil {
		return nil, err
	}
	if o.Now.IsZero() || o.VIP == "" {
		return nil, fmt.Errorf("%s is no observation: keepgo drill observe --json, or --listen, makes one", where)
	}
	if isURL(where) {
		answered := time.Now()
		o.Shift(asked.Add(answered.Sub(asked) / 2).Sub(o.Now))
	}
	return &o, nil
}

// views are what observers elsewhere see, asked for again and again.
type views struct {
	mu   sync.Mutex
	seen map[string]*drill.Observation // by URL
	errs map[string]error              // of those that do not answer any more
	work sync.WaitGroup
	stop context.CancelFunc
}

// viewEvery is how often observers are asked.
const viewEvery = time.Second

// openViews asks every observer with a URL once: one that does not answer is
// better known before.
func openViews(ctx context.Context, observers []string) (*views, error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	v := &views{seen: map[string]*drill.Observation{}, errs: map[string]error{}, stop: cancel}
	for _, where := range observers {
		if !isURL(where) {
			continue
		}
		o, err := ReadObservation(ctx, where)
		if err != nil {
			v.close()
			return nil, fmt.Errorf("--observer: %w", err)
		}
		v.seen[where] = o
		v.work.Go(func() { v.follow(ctx, where) })
	}
	return v, nil
}

func (v *views) follow(ctx context.Context, where string) {
	tick := time.NewTicker(viewEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			v.ask(ctx, where)
		case <-ctx.Done():
			return
		}
	}
}

func (v *views) ask(ctx context.Context, where string) {
	o, err := ReadObservation(ctx, where)
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.errs[where] = err; err == nil {
		v.seen[where] = o
	}
}

// latest are the observations as they came last.
func (v *views) latest() (list []drill.Observation) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range v.seen {
		list = append(list, *o)
	}
	return list
}

func (v *views) close() {
	v.stop()
	v.work.Wait()
}

// all asks every observer for the last time, and reads the files.
func (v *views) all(ctx context.Context, observers []string) (list []drill.Observation, err error) {
	for _, where := range observers {
		o, e := ReadObservation(ctx, where)
		if e != nil {
			err = errors.Join(err, e)
			if o = v.seen[where]; o == nil {
				continue
			}
		}
		list = append(list, *o)
	}
	return list, err
}
