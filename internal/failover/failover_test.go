package failover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/status"
)

// serve answers every request at one path with a value.
func serve(t *testing.T, path string, v any) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != path {
			http.NotFound(w, r)
			return
		}
		_ = json.NewEncoder(w).Encode(v)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func write(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "x.json")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestReadPeer(t *testing.T) {
	s := &status.Status{Asked: time.Now(), Digest: "d"}
	b, _ := json.Marshal(s)
	for name, where := range map[string]string{"URL": serve(t, "/status", s), "URL with path": serve(t, "/status", s) + "/status", "file": write(t, s), "standard input": "-"} {
		got, err := readPeer(t.Context(), where, bytes.NewReader(b))
		if err != nil || got.Digest != "d" {
			t.Errorf("%s: %+v %v", name, got, err)
		}
	}
	if got, err := readPeer(t.Context(), "", nil); got != nil || err != nil {
		t.Errorf("nowhere: %+v %v", got, err)
	}
	for where, want := range map[string]string{write(t, map[string]int{"a": 1}): "is no status", serve(t, "/other", s): "answers 404", "/nowhere/at/all": "no such file", write(t, "text"): "cannot unmarshal"} {
		if _, err := readPeer(t.Context(), where, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", where, err, want)
		}
	}
}

// TestReadObservation: the clock of an observer that is asked is put right, that
// of a file cannot be.
func TestReadObservation(t *testing.T) {
	o := &drill.Observation{VIP: "10.0.0.100", Now: time.Now().Add(-time.Hour), Began: time.Now().Add(-2 * time.Hour)}
	got, err := ReadObservation(t.Context(), serve(t, "/", o))
	if err != nil || time.Since(got.Now).Abs() > time.Minute || time.Since(got.Began).Round(time.Minute) != time.Hour {
		t.Errorf("%+v %v", got, err)
	}
	if got, err = ReadObservation(t.Context(), write(t, o)); err != nil || time.Since(got.Now) < 50*time.Minute {
		t.Errorf("%+v %v", got, err)
	}
	if _, err = ReadObservation(t.Context(), write(t, map[string]int{})); err == nil {
		t.Error("nothing is taken for an observation")
	}
}

// TestAgain: what an observer saw is judged afterwards, and a drill that failed
// stays one.
func TestAgain(t *testing.T) {
	began := time.Now().Add(-time.Hour).UTC()
	report := func(ok bool) string {
		return write(t, &drill.Report{Began: began, OK: ok, Findings: []drill.Finding{{Key: "peer", Verdict: drill.Good}},
			Scenes: []drill.Scene{{Key: drill.Switchover, Name: "over", OK: true, TookMS: 5000}}})
	}
	silent := write(t, &drill.Observation{VIP: "10.0.0.100", Began: began, Now: began.Add(time.Minute), EveryMS: 50, Series: []drill.Series{{Answered: 1,
		Outages: []drill.Outage{{From: began.Add(time.Second), To: began.Add(14 * time.Second), Lost: 9}}}}})
	for name, c := range map[string]struct {
		file      string
		observers []string
		want      error
		says      string
	}{
		"good":   {report(true), nil, nil, "ok"},
		"failed": {report(false), nil, ErrFailed, "ok"},
		"silent": {report(true), []string{silent}, ErrFailed, "without an answer for 13000 ms, 10s allowed"},
	} {
		var out bytes.Buffer
		err := Again(context.Background(), Options{Observers: c.observers, Out: &out}, c.file)
		if !errors.Is(err, c.want) || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %v\n%s", name, err, &out)
		}
	}
	if err := Again(t.Context(), Options{}, write(t, drill.Report{})); err == nil || errors.Is(err, ErrFailed) {
		t.Errorf("nothing is judged: %v", err)
	}
}

// TestJudgeAll: the time that the other director serves is no cost, and what
// ended a scene is told once.
func TestJudgeAll(t *testing.T) {
	took := time.Second
	limits := drill.Limits{drill.Any: {Took: &took, Gap: &took}}
	r := drill.Report{Scenes: []drill.Scene{{Key: drill.Serving, Name: "serves", OK: true, TookMS: 9000}}}
	if why := JudgeAll(&r, limits); why != "" || !r.OK {
		t.Errorf("to serve takes its time: %q", why)
	}
	r.Scenes = append(r.Scenes, drill.Scene{Key: drill.Return, Name: "back", Why: "interrupted", GapMS: 9000})
	if why := JudgeAll(&r, limits); why != "back: interrupted" || r.OK {
		t.Errorf("%q", why)
	}
}

// TestOutlet: a drill that nobody hears any more is to end.
func TestOutlet(t *testing.T) {
	ended := false
	o := outlet{w: broken{}, gone: func() { ended = true }}
	if o.say("hello"); !ended {
		t.Error("it goes on without a terminal")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, os.ErrClosed }
