package main

import (
	"strings"
	"testing"
)

func TestOnNode(t *testing.T) {
	for line, want := range map[string]bool{
		"up": true, "down": true, "status": true, "verify -f x": true, "watch --vip 10.0.0.1": true,
		"up -f keepalived.conf": true, "up -fkeepalived.conf": true, "up --file=x": true, "up --vip 10.0.0.1": true, "down --vip=10.0.0.1": true,
		"up 10.0.0.1": false, "down 10.0.0.1:80": false, "drain 10.0.0.1": false, "up --for 10m 10.0.0.1": false,
		"up --json 10.0.0.1": false, "up --control x 10.0.0.1": false, "": false,
	} {
		if got := onNode(strings.Fields(line)); got != want {
			t.Errorf("rs %s: on the real server itself: %v, want %v", line, got, want)
		}
	}
}
