package observe

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"
)

// requestLimit bounds a request, and requestHeader its size in bytes.
const (
	requestLimit  = 10 * time.Second
	requestHeader = 16 << 10
)

// Serve tells what was seen so far, as JSON, to everybody who asks at an address,
// until the context ends.
func (ob *Observer) Serve(ctx context.Context, address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	server := &http.Server{ReadTimeout: requestLimit, WriteTimeout: requestLimit, MaxHeaderBytes: requestHeader,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(ob.Seen())
		})}
	context.AfterFunc(ctx, func() { server.Close() })
	go func() { _ = server.Serve(l) }()
	return nil
}
