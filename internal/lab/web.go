package lab

import (
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"keepgo/internal/netlab"
)

// web is a client that asks a virtual server over and over.
type web struct {
	target string

	mu      sync.Mutex
	answers map[string]int // by what the real server says its name is
	failed  int
}

// askEvery is the pause between two questions.
const askEvery = 50 * time.Millisecond

// ask starts to ask until ctx ends.
func ask(ctx context.Context, client *netlab.Host, addr netip.Addr, port uint16) *web {
	w := &web{target: net.JoinHostPort(addr.String(), strconv.Itoa(int(port))), answers: map[string]int{}}
	get := http.Client{Transport: &http.Transport{DialContext: client.Dial, DisableKeepAlives: true}, Timeout: time.Second}
	go func() {
		tick := time.NewTicker(askEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				w.one(ctx, &get)
			case <-ctx.Done():
				return
			}
		}
	}()
	return w
}

// one asks once and notes who answered.
func (w *web) one(ctx context.Context, client *http.Client) {
	body, err := fetch(ctx, client, "http://"+w.target+"/")
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.failed++
		return
	}
	w.answers[body]++
}

// fetch gets a page of at most a few hundred bytes.
func fetch(ctx context.Context, client *http.Client, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 256))
	return string(body), err
}

// counts is who has answered how often, and how often nobody did.
func (w *web) counts() (map[string]int, int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.answers), w.failed
}
