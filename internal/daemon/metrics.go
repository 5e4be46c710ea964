package daemon

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"keepgo/internal/metrics"
)

// exporter answers Prometheus, at the address that the configuration names.
type exporter struct {
	at     netip.AddrPort // not valid while nothing listens
	server *http.Server

	mu sync.Mutex // one page is written at a time, however many ask
}

// set listens at another address, or nowhere.
func (e *exporter) set(at netip.AddrPort, pages http.Handler, l *logger) error {
	if at == e.at {
		return nil
	}
	if e.server != nil {
		_ = e.server.Close()
		e.server, e.at = nil, netip.AddrPort{}
	}
	if !at.IsValid() {
		return nil
	}
	listener, err := net.Listen("tcp", at.String())
	if err != nil {
		return fmt.Errorf("metrics_listen: %w; the next reload tries again", err)
	}
	server := &http.Server{
		Handler: pages, ReadTimeout: requestLimit, WriteTimeout: requestLimit, IdleTimeout: requestLimit,
		MaxHeaderBytes: requestHeader, ErrorLog: l.std("metrics: "),
	}
	e.at, e.server = at, server
	go func() { _ = server.Serve(listener) }()
	return nil
}

// export puts the configuration's words about metrics in force.
func (p *parent) export() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /metrics", p.serveMetrics)
	mux.HandleFunc("GET /status", p.servePublic)
	if err := p.exporter.set(p.cfg.Global.MetricsListen, mux, p.log); err != nil {
		p.log.printf("%v", err)
	}
}

func (p *parent) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	p.exporter.mu.Lock()
	defer p.exporter.mu.Unlock()
	s := p.ask()
	var exporters bool
	p.onLoop(func() { exporters = p.cfg.Global.MetricsExporters })
	w.Header().Set("Content-Type", metrics.ContentType)
	_, _ = w.Write(metrics.Text(s, exporters))
}

// servePublic tells the other director of the pair how this one is.
func (p *parent) servePublic(w http.ResponseWriter, _ *http.Request) {
	p.exporter.mu.Lock()
	defer p.exporter.mu.Unlock()
	reply(w, p.ask().Public())
}
