package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestLifecycle(t *testing.T) {
	c := dial(t)
	if a := c.ask("textDocument/hover", object{}); a.Error == nil || a.Error.Code != codeNotInitialized {
		t.Errorf("a request before initialize: %+v", a)
	}
	var r initializeResult
	c.result("initialize", object{"capabilities": object{}}, &r)
	if r.Capabilities.PositionEncoding != utf16Encoding || r.Capabilities.TextDocumentSync.Change != 2 ||
		!r.Capabilities.HoverProvider || r.ServerInfo.Name != "keepgo" {
		t.Errorf("capabilities: %+v", r)
	}
	if a := c.ask("initialize", object{}); a.Error == nil || a.Error.Code != codeInvalidRequest {
		t.Errorf("a second initialize: %+v", a)
	}
	if a := c.ask("workspace/noSuchThing", object{}); a.Error == nil || a.Error.Code != codeNoMethod {
		t.Errorf("an unknown method: %+v", a)
	}
	if a := c.ask("textDocument/hover", []int{1}); a.Error == nil || a.Error.Code != codeInvalidParams {
		t.Errorf("wrong parameters: %+v", a)
	}
	if a := c.ask("textDocument/hover", c.at("none.conf", position{})); a.Error == nil || a.Error.Code != codeInvalidParams {
		t.Errorf("a document that is not open: %+v", a)
	}
	if a := c.ask("shutdown", nil); a.Error != nil {
		t.Errorf("shutdown: %v", a.Error)
	}
	if a := c.ask("textDocument/hover", c.at("none.conf", position{})); a.Error == nil || a.Error.Code != codeInvalidRequest {
		t.Errorf("a request after shutdown: %+v", a)
	}
	c.notify("exit", nil)
	if err := c.ended(); err != nil {
		t.Errorf("shutdown and exit end with %v", err)
	}
}

func TestExitWithoutShutdown(t *testing.T) {
	c := dial(t).start()
	c.notify("exit", nil)
	if err := c.ended(); !errors.Is(err, errNoShutdown) {
		t.Errorf("ended with %v", err)
	}
	c = dial(t).start()
	c.in.Close()
	if err := c.ended(); !errors.Is(err, errHangup) {
		t.Errorf("ended with %v", err)
	}
}

func TestEncodingOfPositions(t *testing.T) {
	c := dial(t)
	var r initializeResult
	c.result("initialize", object{"capabilities": object{"general": object{"positionEncodings": []string{"utf-32", "utf-8"}}}}, &r)
	if r.Capabilities.PositionEncoding != utf8Encoding {
		t.Errorf("encoding %s", r.Capabilities.PositionEncoding)
	}
	c.open("a.conf", "vrrp_script \"ü𝄞\" {\n script /bin/true\n}\n")
	c.result("textDocument/documentSymbol", object{"textDocument": object{"uri": c.uri("a.conf")}}, &[]documentSymbol{})
	text := "# ü𝄞 comment\nglobal_defs { no_such_keyword }\n"
	c.change("a.conf", 2, object{"text": text})
	// é replaces 𝄞: bytes 4 to 8 of the line
	c.change("a.conf", 3, object{"range": span{position{0, 4}, position{0, 8}}, "text": "é"},
		object{"range": span{position{1, 0}, position{1, 11}}, "text": "/* é */ global_defs"})
	d := c.published("a.conf", "the changed place", func(d []diagnostic) bool {
		return len(d) > 0 && strings.Contains(d[0].Message, "/*")
	})
	if d[0].Range.Start != (position{1, 0}) {
		t.Errorf("%+v", d)
	}
}

func TestMalformed(t *testing.T) {
	for _, one := range []struct {
		send string
		code int
	}{
		{frame("{"), codeParse},
		{frame(""), codeParse},
		{frame("[]"), codeInvalidRequest},
		{frame("null"), codeInvalidRequest},
		{frame(`{"id":1,"method":"initialize"}`), codeInvalidRequest},
		{frame(`{"jsonrpc":"2.0","id":null,"method":"initialize"}`), codeInvalidRequest},
		{frame(`{"jsonrpc":"2.0","id":{},"method":"initialize"}`), codeInvalidRequest},
		{frame(`{"jsonrpc":"2.0","method":7}`), codeInvalidRequest},
		{frame(`{"jsonrpc":"2.0"}`), codeInvalidRequest},
		{frame(strings.Repeat("[", 100_000)), codeParse},
	} {
		c := dial(t)
		c.raw(one.send)
		a := c.reply("null")
		if a.Error == nil || a.Error.Code != one.code {
			t.Errorf("%.60q: %+v", one.send, a.Error)
		}
		c.start() // the stream goes on
		if err := c.leave(); err != nil {
			t.Errorf("%.60q: %v", one.send, err)
		}
	}
}

func TestBrokenStream(t *testing.T) {
	for send, want := range map[string]string{
		"Content-Length: 99999999999999\r\n\r\n":        "bytes is announced",
		"Content-Length: -1\r\n\r\n":                    "not a number",
		"Content-Length: 123456789012345678901\r\n\r\n": "not a number",
		"Content-Length: many\r\n\r\n":                  "not a number",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n":             "without Content-Length",
		strings.Repeat("x", 100_000):                    "header line is too long",
	} {
		c := dial(t)
		go io.WriteString(c.in, send)
		a := c.reply("null")
		if a.Error == nil || !strings.Contains(a.Error.Message, want) {
			t.Errorf("%.40q: %+v", send, a.Error)
		}
		if err := c.ended(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: ended with %v", send, err)
		}
	}
}

func TestTooLargeMessageIsPassedOver(t *testing.T) {
	c := dial(t)
	c.raw(fmt.Sprintf("Content-Length: %d\r\n\r\n", maxMessage+1))
	chunk := strings.Repeat(" ", 1<<20)
	for range maxMessage >> 20 {
		c.raw(chunk)
	}
	c.raw(" ")
	if a := c.reply("null"); a.Error == nil || !strings.Contains(a.Error.Message, "67108864 are taken") {
		t.Errorf("%+v", a.Error)
	}
	if err := c.start().leave(); err != nil {
		t.Error(err)
	}
}

// held is a writer that waits.
type held chan struct{}

func (h held) Write(p []byte) (int, error) { <-h; return len(p), nil }

func TestCancel(t *testing.T) {
	in, w := io.Pipe()
	gate := make(held)
	out, toClient := io.Pipe()
	c := &client{t: t, dir: t.TempDir(), in: w, got: make(chan answer, 100), done: make(chan error, 1)}
	go func() {
		c.done <- Serve(in, io.MultiWriter(gate, toClient), Options{Files: emptyFS{}})
		toClient.Close()
	}()
	go c.listen(out)
	c.send(object{"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": object{"capabilities": object{}}})
	c.open("a.conf", "global_defs {\n}\n")
	// The worker waits for us to take its first answer; what is cancelled
	// meanwhile is not answered in earnest.
	c.send(object{"jsonrpc": "2.0", "id": "x", "method": "textDocument/hover", "params": c.at("a.conf", position{0, 1})})
	c.notify("$/cancelRequest", object{"id": "x"})
	c.notify("$/cancelRequest", object{"id": "never asked"})
	c.send(object{"jsonrpc": "2.0", "id": "y", "method": "textDocument/hover", "params": c.at("a.conf", position{0, 1})})
	close(gate)
	if a := c.reply(`"x"`); a.Error == nil || a.Error.Code != codeCancelled {
		t.Errorf("cancelled: %+v", a)
	}
	if a := c.reply(`"y"`); a.Error != nil || string(a.Result) == "null" {
		t.Errorf("not cancelled: %+v", a)
	}
	if err := c.leave(); err != nil {
		t.Error(err)
	}
}

// slowFS has one file that takes its time.
type slowFS struct {
	fstest.MapFS
	entered, gate chan struct{}
}

func (f slowFS) Open(name string) (fs.File, error) {
	if name == "slow.conf" {
		f.entered <- struct{}{}
		<-f.gate
	}
	return f.MapFS.Open(name)
}

func TestNewerChangeSupersedesOlder(t *testing.T) {
	files := slowFS{fstest.MapFS{"slow.conf": {Data: []byte("nonsense\n")}}, make(chan struct{}, 9), make(chan struct{})}
	c := dialTo(t, files).start()
	c.open("a.conf", good+"include /slow.conf\nmore nonsense\n")
	select {
	case <-files.entered:
	case <-time.After(patience):
		t.Fatal("the file is not read")
	}
	// The server is in the middle of it. It takes all this nevertheless:
	for v := range 100 {
		c.change("a.conf", v+2, object{"text": good})
	}
	close(files.gate)
	for {
		a := c.next()
		var p publishParams
		if err := json.Unmarshal(a.Params, &p); err != nil {
			t.Fatal(err)
		}
		if p.Version == nil || *p.Version == 1 || len(p.Diagnostics) > 0 {
			t.Errorf("published what is out of date: %s", a.Params)
		}
		if p.Version != nil && *p.Version == 101 {
			return
		}
	}
}

func TestFaultOfOurs(t *testing.T) {
	var log strings.Builder
	s := &session{options: Options{Log: &log}, out: &writer{w: io.Discard}, open: map[string]bool{}}
	_, failure := s.answer(job{answer: func(*analysis) (any, error) { panic("oh") }})
	if failure == nil || failure.Code != codeInternal || !strings.Contains(failure.Message, "oh") {
		t.Errorf("%+v", failure)
	}
	if !strings.Contains(log.String(), "server_test.go") {
		t.Errorf("the log does not say where: %s", &log)
	}
}

func TestClientThatStopsListening(t *testing.T) {
	in, w := io.Pipe()
	out, toClient := io.Pipe()
	out.Close()
	done := make(chan error, 1)
	go func() { done <- Serve(in, toClient, Options{Files: emptyFS{}}) }()
	for _, m := range []string{`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`, `{"jsonrpc":"2.0","id":2,"method":"shutdown"}`, `{"jsonrpc":"2.0","method":"exit"}`} {
		if _, err := io.WriteString(w, frame(m)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case err := <-done:
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the server stays")
	}
}
