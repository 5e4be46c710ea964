package lsp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"keepgo/confparse/syntax"
)

// client drives a server as an editor does: over two pipes.
type client struct {
	t    *testing.T
	dir  string
	in   *io.PipeWriter
	got  chan answer
	done chan error
	id   int
	seen []answer // notifications not asked for yet
}

// answer is anything that the server sends.
type answer struct {
	ID     json.RawMessage
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *rpcError
}

const patience = 20 * time.Second

// dial starts a server. Files of the test stand in a directory of their own.
func dial(t *testing.T) *client {
	t.Helper()
	return dialTo(t, os.DirFS("/"))
}

func dialTo(t *testing.T, files fs.FS) *client {
	t.Helper()
	fromClient, in := io.Pipe()
	out, toClient := io.Pipe()
	c := &client{t: t, dir: t.TempDir(), in: in, got: make(chan answer, 1000), done: make(chan error, 1)}
	go func() {
		err := Serve(fromClient, toClient, Options{Files: files, Env: syntax.Env{ConfigID: "lb1"}, Version: "test"})
		fromClient.Close()
		toClient.Close()
		c.done <- err
	}()
	go c.listen(out)
	t.Cleanup(func() {
		in.Close()
		for range c.got {
		}
	})
	return c
}

func (c *client) listen(out io.Reader) {
	defer close(c.got)
	r := bufio.NewReader(out)
	for {
		head, err := r.ReadString('\n')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(head, "Content-Length: ")))
		if err != nil {
			c.t.Errorf("header %q", head)
			return
		}
		content := make([]byte, n+2)
		if _, err := io.ReadFull(r, content); err != nil {
			c.t.Errorf("content: %v", err)
			return
		}
		var a answer
		if err := json.Unmarshal(content[2:], &a); err != nil {
			c.t.Errorf("%q: %v", content, err)
			return
		}
		c.got <- a
	}
}

func (c *client) raw(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, s); err != nil {
		c.t.Fatal(err)
	}
}

func frame(content string) string {
	return fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(content), content)
}

func (c *client) send(v any) {
	c.t.Helper()
	content, err := json.Marshal(v)
	if err != nil {
		c.t.Fatal(err)
	}
	c.raw(frame(string(content)))
}

func (c *client) notify(method string, params any) {
	c.t.Helper()
	c.send(map[string]any{"jsonrpc": "2.0", "method": method, "params": params})
}

// next waits for the next thing the server sends.
func (c *client) next() answer {
	c.t.Helper()
	select {
	case a, ok := <-c.got:
		if !ok {
			c.t.Fatal("the server has left")
		}
		return a
	case <-time.After(patience):
		c.t.Fatal("the server is silent")
	}
	return answer{}
}

// ask sends a request and waits for its answer.
func (c *client) ask(method string, params any) answer {
	c.t.Helper()
	c.id++
	c.send(map[string]any{"jsonrpc": "2.0", "id": c.id, "method": method, "params": params})
	return c.reply(strconv.Itoa(c.id))
}

func (c *client) reply(id string) answer {
	c.t.Helper()
	for {
		a := c.next()
		if a.Method == "" && string(a.ID) == id {
			return a
		}
		c.seen = append(c.seen, a)
	}
}

// result is ask for an answer that is no error.
func (c *client) result(method string, params, into any) {
	c.t.Helper()
	a := c.ask(method, params)
	if a.Error != nil {
		c.t.Fatalf("%s: %v", method, a.Error)
	}
	if err := json.Unmarshal(a.Result, into); err != nil {
		c.t.Fatalf("%s: %s: %v", method, a.Result, err)
	}
}

type object = map[string]any

// start says hello, as an editor that can do everything.
func (c *client) start(options ...object) *client {
	c.t.Helper()
	p := object{"capabilities": object{"textDocument": object{
		"hover":      object{"contentFormat": []string{"markdown"}},
		"completion": object{"completionItem": object{"documentationFormat": []string{"markdown"}}},
	}}}
	for _, o := range options {
		for k, v := range o {
			p[k] = v
		}
	}
	if a := c.ask("initialize", p); a.Error != nil {
		c.t.Fatal(a.Error)
	}
	c.notify("initialized", object{})
	return c
}

func (c *client) path(name string) string { return filepath.Join(c.dir, name) }

func (c *client) uri(name string) string { return uriOf(c.path(name)) }

// write puts a file on the disk.
func (c *client) write(name, text string) {
	c.t.Helper()
	if err := os.MkdirAll(filepath.Dir(c.path(name)), 0o755); err != nil {
		c.t.Fatal(err)
	}
	if err := os.WriteFile(c.path(name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) open(name, text string) {
	c.t.Helper()
	c.notify("textDocument/didOpen", object{"textDocument": object{"uri": c.uri(name), "languageId": "keepalived", "version": 1, "text": text}})
}

func (c *client) change(name string, version int, changes ...object) {
	c.t.Helper()
	c.notify("textDocument/didChange", object{"textDocument": object{"uri": c.uri(name), "version": version}, "contentChanges": changes})
}

func (c *client) close(name string) {
	c.t.Helper()
	c.notify("textDocument/didClose", object{"textDocument": object{"uri": c.uri(name)}})
}

// published waits for the diagnostics of a file that satisfy a condition, and
// passes over earlier ones.
func (c *client) published(name string, what string, ok func([]diagnostic) bool) []diagnostic {
	c.t.Helper()
	for {
		var a answer
		if len(c.seen) > 0 {
			a, c.seen = c.seen[0], c.seen[1:]
		} else {
			a = c.next()
		}
		if a.Method != "textDocument/publishDiagnostics" {
			continue
		}
		var p publishParams
		if err := json.Unmarshal(a.Params, &p); err != nil {
			c.t.Fatal(err)
		}
		if p.URI == c.uri(name) && ok(p.Diagnostics) {
			return p.Diagnostics
		}
		c.t.Logf("waiting for %s of %s: %s", what, name, a.Params)
	}
}

func (c *client) clean(name string) {
	c.t.Helper()
	c.published(name, "no diagnostics", func(d []diagnostic) bool { return len(d) == 0 })
}

func (c *client) faulty(name string) []diagnostic {
	c.t.Helper()
	return c.published(name, "diagnostics", func(d []diagnostic) bool { return len(d) > 0 })
}

// mark takes the | out of a text and says where it was. Columns are in UTF-16.
func mark(s string) (string, position) {
	i := strings.Index(s, "|")
	s = s[:i] + s[i+1:]
	return s, newText(s).position(i, utf16Encoding)
}

// at are the parameters of a request about a place.
func (c *client) at(name string, p position) object {
	return object{"textDocument": object{"uri": c.uri(name)}, "position": p}
}

// underlined is the text a range covers.
func underlined(s string, at span) string {
	t := newText(s)
	return s[t.offset(at.Start, utf16Encoding):t.offset(at.End, utf16Encoding)]
}

// leave says shutdown and exit and gives what Serve returned.
func (c *client) leave() error {
	c.t.Helper()
	if a := c.ask("shutdown", nil); a.Error != nil || string(a.Result) != "null" {
		c.t.Fatalf("shutdown: %+v", a)
	}
	c.notify("exit", nil)
	return c.ended()
}

func (c *client) ended() error {
	c.t.Helper()
	for {
		select {
		case err := <-c.done:
			return err
		case a, ok := <-c.got:
			if ok {
				c.seen = append(c.seen, a)
			} else {
				c.got = make(chan answer)
				close(c.got)
				select {
				case err := <-c.done:
					return err
				case <-time.After(patience):
					c.t.Fatal("the server stays")
				}
			}
		case <-time.After(patience):
			c.t.Fatal("the server stays")
		}
	}
}
