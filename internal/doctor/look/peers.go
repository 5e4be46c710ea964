package look

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"keepgo/internal/doctor"
	"keepgo/internal/status"
)

const (
	peerTime  = 3 * time.Second
	peerLimit = 64 << 20 // bytes of a status
)

// peers asks the other directors how they are: those that are named, or where
// this one serves its status to others, its unicast peers and the masters heard
// at the same port.
func (l *looker) peers(ctx context.Context) {
	names := l.Peers
	if len(names) == 0 {
		names = l.guess()
	}
	for _, name := range names {
		l.Pair = append(l.Pair, askPeer(ctx, name))
	}
}

func (l *looker) guess() (names []string) {
	if l.Config == nil || l.Status == nil {
		return nil
	}
	at := l.Config.Global.MetricsListen
	if !at.IsValid() || at.Addr().IsLoopback() {
		return nil
	}
	known := map[netip.Addr]bool{}
	add := func(a netip.Addr) {
		if a.IsValid() && !known[a] && !a.IsLinkLocalUnicast() {
			known[a] = true
			names = append(names, netip.AddrPortFrom(a, at.Port()).String())
		}
	}
	for _, in := range l.Config.Instances {
		for _, p := range in.Peers {
			add(p.Addr)
		}
	}
	for _, in := range l.Status.Instances {
		for _, p := range in.Peers {
			a, _ := netip.ParseAddr(p.Address)
			add(a)
		}
	}
	return names
}

// askPeer asks for a status, and for the time by the way.
func askPeer(ctx context.Context, name string) doctor.Peer {
	p := doctor.Peer{Addr: name}
	url := name
	if !strings.Contains(url, "://") {
		url = "http://" + name + "/status"
	}
	ctx, cancel := context.WithTimeout(ctx, peerTime)
	defer cancel()
	began := time.Now()
	var st status.Status
	if err := fetch(ctx, url, &st); err != nil {
		p.Failed = fmt.Sprintf("%s: %v", url, err)
		return p
	}
	took := time.Since(began)
	p.Status, p.Ahead, p.Within = &st, st.Asked.Sub(began.Add(took/2)), took/2
	return p
}

func fetch(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{}).DialContext}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", resp.Status)
	}
	return json.NewDecoder(io.LimitReader(resp.Body, peerLimit)).Decode(into)
}
