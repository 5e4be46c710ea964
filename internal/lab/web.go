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

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// web is a client that asks a virtual server over and over.
type web struct {
	client  *netlab.Host
	mu      sync.Mutex
	answers drill.Answers
}

// askEvery is the pause between two questions.
const askEvery = 50 * time.Millisecond

// ask starts to ask until ctx ends.
func ask(ctx context.Context, client *netlab.Host, addr netip.Addr, port uint16) *web {
	w := &web{client: client, answers: drill.Answers{Servers: map[string]int{}}}
	w.answers.Target = net.JoinHostPort(addr.String(), strconv.Itoa(int(port)))
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
	body, err := fetch(ctx, client, "http://"+w.answers.Target+"/")
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.answers.Failed++
		return
	}
	w.answers.Servers[body]++
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

// soFar is what the client got until now.
func (w *web) soFar() *drill.Answers {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := w.answers
	a.Servers = maps.Clone(a.Servers)
	return &a
}
