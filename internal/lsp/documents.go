package lsp

import "encoding/json"

// notification takes what the client tells. What cannot be used is logged:
// there is no answer it could go into.
func (s *session) notification(m *message) {
	if m.Method == "$/cancelRequest" {
		s.cancel(m)
		return
	}
	if !s.initialized || s.down {
		return
	}
	take := notifications[m.Method]
	if take == nil {
		return // optional ones begin with $/, and others may be new
	}
	if err := take(s, m); err != nil {
		s.jobs <- job{notice: &logParams{logWarning, err.Error()}}
	}
}

var notifications = map[string]func(*session, *message) error{
	"textDocument/didOpen":            (*session).didOpen,
	"textDocument/didChange":          (*session).didChange,
	"textDocument/didClose":           (*session).didClose,
	"textDocument/didSave":            (*session).refresh,
	"workspace/didChangeWatchedFiles": (*session).refresh,
}

// cancel marks a request that nobody waits for any more.
func (s *session) cancel(m *message) {
	var p struct {
		ID json.RawMessage `json:"id"`
	}
	if params(m, &p) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, waiting := s.open[string(p.ID)]; waiting {
		s.open[string(p.ID)] = true
	}
}

func (s *session) didOpen(m *message) error {
	var p didOpenParams
	if err := params(m, &p); err != nil {
		return err
	}
	d := p.TextDocument
	s.put(&document{text: newText(d.Text), uri: d.URI, name: nameOf(d.URI), version: d.Version})
	return nil
}

func (s *session) put(d *document) {
	s.update(func(w *workspace) { w.docs[d.name] = d })
}

func (s *session) didChange(m *message) error {
	var p didChangeParams
	if err := params(m, &p); err != nil {
		return err
	}
	name := nameOf(p.TextDocument.URI)
	d := s.workspace().docs[name]
	if d == nil {
		return refuse(codeInvalidParams, "%s changed and is not open", p.TextDocument.URI)
	}
	t := d.text
	for _, c := range p.ContentChanges {
		if c.Range == nil {
			t = newText(c.Text)
			continue
		}
		t = t.change(t.offset(c.Range.Start, s.style.encoding), t.offset(c.Range.End, s.style.encoding), c.Text)
	}
	s.put(&document{text: t, uri: d.uri, name: name, version: p.TextDocument.Version})
	return nil
}

func (s *session) didClose(m *message) error {
	var p documentParams
	if err := params(m, &p); err != nil {
		return err
	}
	s.update(func(w *workspace) { delete(w.docs, nameOf(p.TextDocument.URI)) })
	return nil
}

// refresh looks again at files that may have changed on the disk.
func (s *session) refresh(*message) error {
	s.update(func(*workspace) {})
	return nil
}
