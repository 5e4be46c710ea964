package lsp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// Bounds on what one message may cost.
const (
	maxMessage = 64 << 20 // bytes of content that are decoded
	maxSkipped = 1 << 30  // bytes of a larger message that are passed over
	maxHeader  = 4 << 10  // bytes of a header line
)

// Error codes: JSON-RPC 2.0 section 5.1, and LSP 3.17 "ErrorCodes".
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeCancelled      = -32800
	codeFailed         = -32803
)

// rpcError is an error that goes to the client.
type rpcError struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (e *rpcError) Error() string { return e.Message }

func refuse(code int, format string, args ...any) *rpcError {
	return &rpcError{Code: code, Message: fmt.Sprintf(format, args...)}
}

// message is a request, a notification (no ID) or a response (no Method).
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

// reader takes messages off a stream: LSP 3.17 "Base Protocol".
type reader struct{ r *bufio.Reader }

func newReader(r io.Reader) *reader { return &reader{bufio.NewReaderSize(r, maxHeader)} }

// next gives the next message. An *rpcError concerns that message alone and
// the stream goes on behind it; any other error ends the stream.
func (r *reader) next() (*message, error) {
	length, err := r.header()
	if err != nil {
		return nil, err
	}
	if length > maxMessage {
		if length > maxSkipped {
			return nil, fmt.Errorf("a message of %d bytes is announced; %d are taken", length, maxMessage)
		}
		if _, err := io.CopyN(io.Discard, r.r, length); err != nil {
			return nil, broken(err)
		}
		return nil, refuse(codeInvalidRequest, "the message has %d bytes; %d are taken", length, maxMessage)
	}
	content, err := io.ReadAll(io.LimitReader(r.r, length))
	if err == nil && int64(len(content)) < length {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, broken(err)
	}
	return decode(content)
}

func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the input ends within a message")
	}
	return err
}

// header reads up to the empty line and gives the length of the content.
func (r *reader) header() (int64, error) {
	length := int64(-1)
	for first := true; ; first = false {
		line, err := r.r.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return 0, errors.New("a header line is too long; is this the Language Server Protocol?")
		case errors.Is(err, io.EOF) && first && len(line) == 0:
			return 0, io.EOF
		case err != nil:
			return 0, broken(err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		name, value, _ := strings.Cut(text, ":")
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Length") {
			continue
		}
		length, err = strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		if err != nil || length < 0 {
			return 0, fmt.Errorf("Content-Length %q is not a number of bytes", strings.TrimSpace(value))
		}
	}
	if length < 0 {
		return 0, errors.New("a message without Content-Length; is this the Language Server Protocol?")
	}
	return length, nil
}

// decode makes a message of its content.
func decode(content []byte) (*message, error) {
	if !json.Valid(content) {
		return nil, refuse(codeParse, "the message is not JSON")
	}
	m := &message{}
	if err := json.Unmarshal(content, m); err != nil {
		return nil, refuse(codeInvalidRequest, "the message is not a JSON-RPC object")
	}
	if m.Version != "2.0" {
		return nil, refuse(codeInvalidRequest, "the message is not of JSON-RPC 2.0")
	}
	if len(m.ID) > 0 && m.ID[0] != '"' && m.ID[0] != '-' && (m.ID[0] < '0' || m.ID[0] > '9') {
		return nil, refuse(codeInvalidRequest, "the id is neither a number nor a string")
	}
	if m.Method == "" && len(m.ID) == 0 {
		return nil, refuse(codeInvalidRequest, "the message has neither a method nor an id")
	}
	return m, nil
}

// writer puts messages on a stream, one at a time. It remembers the first
// error: nothing is written behind it.
type writer struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

func (w *writer) write(v any) error {
	var content bytes.Buffer
	e := json.NewEncoder(&content)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	head := fmt.Sprintf("Content-Length: %d\r\n\r\n", content.Len())
	_, w.err = w.w.Write(append([]byte(head), content.Bytes()...))
	return w.err
}

var null = json.RawMessage("null")

// reply answers a request; id is null when it could not be read.
func (w *writer) reply(id json.RawMessage, result any, failure *rpcError) error {
	if len(id) == 0 {
		id = null
	}
	if failure != nil {
		return w.write(struct {
			Version string          `json:"jsonrpc"`
			ID      json.RawMessage `json:"id"`
			Error   *rpcError       `json:"error"`
		}{"2.0", id, failure})
	}
	return w.write(struct {
		Version string          `json:"jsonrpc"`
		ID      json.RawMessage `json:"id"`
		Result  any             `json:"result"`
	}{"2.0", id, result})
}

// notify sends a notification.
func (w *writer) notify(method string, params any) error {
	return w.write(struct {
		Version string `json:"jsonrpc"`
		Method  string `json:"method"`
		Params  any    `json:"params"`
	}{"2.0", method, params})
}
