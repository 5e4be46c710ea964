package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"keepgo/internal/guest"
)

// emulatedTime bounds what is played on the emulated machine.
const emulatedTime = 15 * time.Minute

// emulated plays the scenes that need a kernel with IPVS on an emulated machine
// with Debian's kernel, and takes its figures. All is seven to ten times slower
// there: only the ratios mean anything.
func (o *options) emulated(r *report) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	argv := []string{self, "--inside", "--keepgo", o.keepgo, "--only", o.only, "--daemons", o.daemons, "--turns", strconv.Itoa(min(o.turns, 2))}
	out, code, err := guest.Command(argv, emulatedTime)
	if err != nil {
		return err
	}
	said, last := out, out
	if i := bytes.LastIndexByte(bytes.TrimSpace(out), '\n'); i >= 0 {
		said, last = out[:i+1], out[i+1:]
	}
	_, _ = os.Stderr.Write(said)
	var got inside
	if err := json.Unmarshal(last, &got); err != nil || code != 0 {
		return fmt.Errorf("the bench ended with code %d: %s", code, last)
	}
	for key, all := range got.Figures {
		for d, f := range all {
			for _, value := range *f {
				r.note(key, d, value)
			}
		}
	}
	r.troubles = append(r.troubles, got.Troubles...)
	return nil
}

// inside is what the bench on the emulated machine hands back, as the last line.
type inside struct {
	Figures  map[string]map[daemon]*figures
	Troubles []string
}

func (r *report) handBack() error {
	return json.NewEncoder(os.Stdout).Encode(inside{r.figures, r.troubles})
}
