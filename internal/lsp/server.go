// Package lsp serves the Language Server Protocol 3.17 for keepalived.conf:
// diagnostics, hover, completion, definitions, references, symbols and formatting.
package lsp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"runtime/debug"
	"slices"
	"sync"

	"keepgo/confparse/syntax"
)

// Options are what a server is told of its surroundings.
type Options struct {
	// Files is the root directory that file URIs lead into.
	Files fs.FS
	// Env is what configurations can see; a client may override ConfigID.
	Env syntax.Env
	// Version is what the server calls itself.
	Version string
	// Log takes what is for people who look after the server; nil drops it.
	Log io.Writer
}

// Serve talks to one client until it says exit or hangs up. It is nil if the
// client said shutdown and exit, as the protocol wants.
func Serve(in io.Reader, out io.Writer, o Options) error {
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &session{
		options: o, in: newReader(in), out: &writer{w: out},
		jobs: make(chan job, maxJobs), changed: make(chan struct{}, 1),
		open: map[string]bool{},
		now:  workspace{under: o.Files, env: o.Env, docs: map[string]*document{}},
	}
	s.publisher = publisher{out: s.out, told: map[string]publishParams{}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.work()
	}()
	err := s.read()
	close(s.jobs)
	<-done
	if err == nil {
		err = s.out.err
	}
	return err
}

// maxJobs is how many requests wait before no more are read.
const maxJobs = 1024

// session is one client. The reader takes messages and keeps the documents;
// the worker answers and diagnoses, so that no message waits for a parse.
type session struct {
	options Options
	in      *reader
	out     *writer
	jobs    chan job
	changed chan struct{} // holds a token while documents are not diagnosed

	mu   sync.Mutex
	now  workspace
	open map[string]bool // ids of requests to be answered; true: cancelled

	// The reader's.
	initialized, down bool
	style             style // set before the first job that needs it
	hoverFormat       string

	// The worker's.
	publisher publisher
	latest    *analysis
}

// job is a request with the workspace it was made in.
type job struct {
	id      json.RawMessage
	answer  func(*analysis) (any, error)
	on      workspace
	failure *rpcError  // known already
	notice  *logParams // no request, but something for the client's log
}

var (
	errHangup     = errors.New("the client hung up without 'exit'")
	errNoShutdown = errors.New("the client said 'exit' without 'shutdown'")
)

// read takes messages until the client leaves.
func (s *session) read() error {
	for {
		m, err := s.in.next()
		var failure *rpcError
		switch {
		case errors.As(err, &failure):
			s.jobs <- job{failure: failure}
			continue
		case errors.Is(err, io.EOF):
			return errHangup
		case err != nil:
			s.jobs <- job{failure: refuse(codeParse, "%v", err)}
			return err
		}
		switch {
		case m.Method == "exit" && s.down:
			return nil
		case m.Method == "exit":
			return errNoShutdown
		case m.Method == "": // a response; nothing was asked
		case len(m.ID) > 0:
			s.request(m)
		default:
			s.notification(m)
		}
	}
}

// request puts a request before the worker.
func (s *session) request(m *message) {
	j := job{id: m.ID, on: s.workspace()}
	var err error
	if j.answer, err = s.answerer(m); err != nil {
		j.failure = asFailure(err)
	}
	s.mu.Lock()
	s.open[string(m.ID)] = false
	s.mu.Unlock()
	s.jobs <- j
}

func asFailure(err error) *rpcError {
	var failure *rpcError
	if errors.As(err, &failure) {
		return failure
	}
	return refuse(codeInternal, "%v", err)
}

// answerer is the function that will answer a request.
func (s *session) answerer(m *message) (func(*analysis) (any, error), error) {
	switch {
	case s.down:
		return nil, refuse(codeInvalidRequest, "'%s' after 'shutdown'", m.Method)
	case m.Method == "initialize" && s.initialized:
		return nil, refuse(codeInvalidRequest, "'initialize' comes once")
	case m.Method == "initialize":
		return s.initialize(m)
	case !s.initialized:
		return nil, refuse(codeNotInitialized, "'initialize' comes before '%s'", m.Method)
	case m.Method == "shutdown":
		s.down = true
		return func(*analysis) (any, error) { return nil, nil }, nil
	}
	method := methods[m.Method]
	if method == nil {
		return nil, refuse(codeNoMethod, "there is no method '%s'", m.Method)
	}
	var p placeParams
	if err := params(m, &p); err != nil {
		return nil, err
	}
	return func(a *analysis) (any, error) {
		d := a.docs[nameOf(p.TextDocument.URI)]
		if d == nil {
			return nil, refuse(codeInvalidParams, "%s is not open", p.TextDocument.URI)
		}
		return method(s, a, d, &p)
	}, nil
}

func params(m *message, into any) error {
	if err := json.Unmarshal(m.Params, into); err != nil {
		return refuse(codeInvalidParams, "%s: the parameters are wrong: %v", m.Method, err)
	}
	return nil
}

// methods are the requests about a document.
var methods = map[string]func(s *session, a *analysis, d *document, p *placeParams) (any, error){
	"textDocument/hover": func(s *session, a *analysis, d *document, p *placeParams) (any, error) {
		if h := a.hover(d, d.offset(p.Position, s.style.encoding), s.style.encoding, s.hoverFormat); h != nil {
			return h, nil
		}
		return nil, nil
	},
	"textDocument/completion": func(s *session, a *analysis, d *document, p *placeParams) (any, error) {
		return a.complete(d, d.offset(p.Position, s.style.encoding), p.Context.TriggerCharacter, s.style), nil
	},
	"textDocument/definition": func(s *session, a *analysis, d *document, p *placeParams) (any, error) {
		return a.locations(a.definition(d, d.offset(p.Position, s.style.encoding)), s.style.encoding), nil
	},
	"textDocument/references": func(s *session, a *analysis, d *document, p *placeParams) (any, error) {
		return a.locations(a.references(d, d.offset(p.Position, s.style.encoding), p.Context.IncludeDeclaration), s.style.encoding), nil
	},
	"textDocument/documentSymbol": func(s *session, a *analysis, d *document, _ *placeParams) (any, error) {
		return a.outline(d.name).symbols(s.style.encoding), nil
	},
	"textDocument/formatting": func(s *session, _ *analysis, d *document, _ *placeParams) (any, error) {
		return d.formatted(s.style.encoding)
	},
}

// initialize learns what the client can do.
func (s *session) initialize(m *message) (func(*analysis) (any, error), error) {
	var p initializeParams
	if err := params(m, &p); err != nil {
		return nil, err
	}
	var set settings
	if len(p.InitializationOptions) > 0 {
		if err := json.Unmarshal(p.InitializationOptions, &set); err != nil {
			return nil, refuse(codeInvalidParams, "initializationOptions: %v", err)
		}
	}
	s.initialized = true
	defer s.settle(set) // it wakes the worker, which looks at the style
	text := p.Capabilities.TextDocument
	s.style = style{utf16Encoding, plaintext, text.Completion.CompletionItem.SnippetSupport}
	if slices.Contains(p.Capabilities.General.PositionEncodings, utf8Encoding) {
		s.style.encoding = utf8Encoding
	}
	if slices.Contains(text.Completion.CompletionItem.DocumentationFormat, markdown) {
		s.style.format = markdown
	}
	if s.hoverFormat = plaintext; slices.Contains(text.Hover.ContentFormat, markdown) {
		s.hoverFormat = markdown
	}
	result := initializeResult{s.capabilities(), serverInfo{source, s.options.Version}}
	return func(*analysis) (any, error) { return result, nil }, nil
}

// settle takes the settings of the client.
func (s *session) settle(set settings) {
	s.update(func(w *workspace) {
		if set.ConfigID != "" {
			w.env.ConfigID = set.ConfigID
		}
		if set.Main != "" {
			w.main = path.Clean("/" + set.Main)
		}
	})
}

func (s *session) capabilities() capabilities {
	return capabilities{
		PositionEncoding:       s.style.encoding,
		TextDocumentSync:       syncOptions{OpenClose: true, Change: 2, Save: true},
		HoverProvider:          true,
		CompletionProvider:     completionOptions{TriggerCharacters: []string{"$", "{", " "}},
		DefinitionProvider:     true,
		ReferencesProvider:     true,
		DocumentSymbolProvider: true,
		FormattingProvider:     true,
	}
}

func (s *session) workspace() workspace {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// update changes the workspace. Jobs keep the one they came in.
func (s *session) update(change func(*workspace)) {
	s.mu.Lock()
	s.now.docs = maps.Clone(s.now.docs)
	s.now.generation++
	change(&s.now)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// complain tells the client's log.
func (s *session) complain(p logParams) {
	fmt.Fprintf(s.options.Log, "keepgo lsp: %s\n", p.Message)
	s.out.notify("window/logMessage", p)
}

// work answers requests in their order; between them it diagnoses what
// changed. What the client said before it left is answered.
func (s *session) work() {
	for {
		select {
		case j, ok := <-s.jobs:
			if !ok {
				s.finish()
				return
			}
			s.run(j)
			continue
		default:
		}
		select {
		case j, ok := <-s.jobs:
			if !ok {
				s.finish()
				return
			}
			s.run(j)
		case <-s.changed:
			s.diagnose()
		}
	}
}

// finish diagnoses what the client changed just before it left in order.
func (s *session) finish() {
	select {
	case <-s.changed:
		if s.down {
			s.diagnose()
		}
	default:
	}
}

// run answers one request.
func (s *session) run(j job) {
	if j.notice != nil {
		s.complain(*j.notice)
		return
	}
	result, failure := any(nil), j.failure
	if failure == nil && s.cancelled(j.id) {
		failure = refuse(codeCancelled, "cancelled")
	}
	if failure == nil {
		result, failure = s.answer(j)
	}
	s.mu.Lock()
	delete(s.open, string(j.id))
	s.mu.Unlock()
	s.out.reply(j.id, result, failure)
}

func (s *session) cancelled(id json.RawMessage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.open[string(id)]
}

// answer computes a result. A fault of ours costs the client this one answer.
func (s *session) answer(j job) (result any, failure *rpcError) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(s.options.Log, "keepgo lsp: %v\n%s", r, debug.Stack())
			result, failure = nil, refuse(codeInternal, "a fault in keepgo: %v", r)
		}
	}()
	result, err := j.answer(s.analysis(j.on))
	if err != nil {
		return nil, asFailure(err)
	}
	if s.cancelled(j.id) {
		return nil, refuse(codeCancelled, "cancelled")
	}
	return result, nil
}

// analysis is that of a workspace; the latest is kept.
func (s *session) analysis(w workspace) *analysis {
	if s.latest == nil || s.latest.generation != w.generation {
		s.latest = analyse(w)
	}
	return s.latest
}

// diagnose tells the client of findings. If the documents changed meanwhile,
// it is silent: there will be another call.
func (s *session) diagnose() {
	defer func() {
		if r := recover(); r != nil {
			s.complain(logParams{logError, fmt.Sprintf("a fault in keepgo: %v", r)})
			fmt.Fprintf(s.options.Log, "%s", debug.Stack())
		}
	}()
	a := s.analysis(s.workspace())
	found := a.diagnostics(s.style.encoding)
	if s.workspace().generation == a.generation {
		s.publisher.publish(a, found)
	}
}
