package lsp

import (
	"errors"
	"io"
	"io/fs"
	"net/url"
	"path"
	"sort"
	"strings"
	"time"
)

// A document's name is its absolute path, cleaned. What is not a file has its
// URI for a name.

// nameOf is the name of a document.
func nameOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return path.Clean("/" + uri)
	}
	return path.Clean("/" + u.Path)
}

// uriOf is the URI of a file.
func uriOf(name string) string {
	return (&url.URL{Scheme: "file", Path: name}).String()
}

// document is an open buffer.
type document struct {
	*text
	uri     string
	name    string
	version *int
}

// overlay is the file system with the open documents over it. What it once
// gave it gives again, so that all of an analysis sees one state.
type overlay struct {
	under fs.FS
	docs  map[string]*document
	files map[string]*text // what was read, by name
	fails map[string]error
	// reads is called with the name of every file that is read; may be nil.
	reads func(name string)
}

func newOverlay(under fs.FS, docs map[string]*document) *overlay {
	return &overlay{under: under, docs: docs, files: map[string]*text{}, fails: map[string]error{}}
}

// maxFile is the size of the largest file that is read: more than confparse
// takes.
const maxFile = 65 << 20

var errNotRegular = errors.New("it is not a regular file")

// Open serves fs.FS.
func (o *overlay) Open(name string) (fs.File, error) {
	info, err := o.Stat(name)
	if err != nil || info.IsDir() {
		return o.under.Open(name)
	}
	t, err := o.read("/" + name)
	if err != nil {
		return nil, err
	}
	return &openFile{strings.NewReader(t.s), info}, nil
}

// read gives the text of a file.
func (o *overlay) read(name string) (*text, error) {
	if o.reads != nil {
		o.reads(name)
	}
	if d := o.docs[name]; d != nil {
		return d.text, nil
	}
	if t := o.files[name]; t != nil {
		return t, nil
	}
	if err := o.fails[name]; err != nil {
		return nil, err
	}
	t, err := o.load(name[1:])
	if err != nil {
		o.fails[name] = err
		return nil, err
	}
	o.files[name] = t
	return t, nil
}

// load reads a file of the file system. A pipe or a device would keep us
// waiting, or never end.
func (o *overlay) load(name string) (*text, error) {
	info, err := fs.Stat(o.under, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "read", Path: "/" + name, Err: errNotRegular}
	}
	f, err := o.under.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, err
	}
	return newText(string(data)), nil
}

// Stat serves fs.StatFS. An open document keeps the permissions of its file.
func (o *overlay) Stat(name string) (fs.FileInfo, error) {
	info, err := fs.Stat(o.under, name)
	d := o.docs["/"+name]
	if d == nil {
		return info, err
	}
	own := bufferInfo{name: path.Base(name), size: int64(len(d.s)), mode: 0o644}
	if err == nil {
		own.mode = info.Mode()
	}
	return own, nil
}

// ReadDir serves fs.ReadDirFS, which patterns are matched with.
func (o *overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.under, name)
	have := map[string]bool{}
	for _, e := range entries {
		have[e.Name()] = true
	}
	dir := path.Clean("/" + name)
	for doc := range o.docs {
		if path.Dir(doc) == dir && !have[path.Base(doc)] {
			info, _ := o.Stat(doc[1:])
			entries = append(entries, fs.FileInfoToDirEntry(info))
			err = nil
		}
	}
	sort.Slice(entries, func(i, j int) bool { return entries[i].Name() < entries[j].Name() })
	return entries, err
}

// regular says that a file exists and can be read.
func (o *overlay) regular(name string) bool {
	info, err := o.Stat(name[1:])
	return err == nil && info.Mode().IsRegular()
}

// bufferInfo describes an open document.
type bufferInfo struct {
	name string
	size int64
	mode fs.FileMode
}

func (i bufferInfo) Name() string       { return i.name }
func (i bufferInfo) Size() int64        { return i.size }
func (i bufferInfo) Mode() fs.FileMode  { return i.mode }
func (i bufferInfo) ModTime() time.Time { return time.Time{} }
func (i bufferInfo) IsDir() bool        { return i.mode.IsDir() }
func (i bufferInfo) Sys() any           { return nil }

// openFile is an open document being read.
type openFile struct {
	*strings.Reader
	info fs.FileInfo
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }
