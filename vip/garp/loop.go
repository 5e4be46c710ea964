package garp

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// loop sends what is due until the pacer is closed.
func (p *Pacer) loop() {
	defer close(p.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	batch := make([]*Target, 0, maxBatch)
	for {
		var wait time.Duration
		var closed bool
		batch, wait, closed = p.due(batch[:0])
		if closed {
			return
		}
		if len(batch) > 0 {
			p.transmit(batch)
			continue
		}
		timer.Reset(wait)
		select {
		case <-p.wake:
		case <-timer.C:
		}
	}
}

// due gathers what to send now, or tells how long there is nothing.
func (p *Pacer) due(batch []*Target) (out []*Target, wait time.Duration, closed bool) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	out = p.collect(batch, now)
	wait = time.Hour
	if len(p.alarms) > 0 {
		wait = p.alarms[0].at.Sub(now)
	}
	return out, wait, p.closed
}

// transmit sends a batch, passing over frames that cannot be sent.
func (p *Pacer) transmit(targets []*Target) {
	var told Failure
	batch := p.frames[:0]
	for i, t := range targets {
		p.written[i].write(t)
		batch = append(batch, &p.written[i])
	}
	for len(batch) > 0 {
		n, err := p.sender.send(batch)
		p.sent.Add(uint64(n))
		batch = batch[n:]
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if err == nil || len(batch) == 0 {
			continue
		}
		f := Failure{*batch[0].target, passOver(batch, err), err}
		p.lost.Add(uint64(f.Count))
		batch = batch[f.Count:]
		told = p.merge(told, f)
	}
	p.tell(told)
}

// passOver is the number of frames to give up: one, but all that follow for
// the same link when its queue is full, since each would wait as long again.
func passOver(batch []*frame, err error) int {
	n := 1
	if errors.Is(err, unix.EAGAIN) {
		for n < len(batch) && batch[n].target.IfIndex == batch[0].target.IfIndex {
			n++
		}
	}
	return n
}

// merge adds f to the failure not told yet, or tells that one if f is of
// another kind.
func (p *Pacer) merge(told, f Failure) Failure {
	if told.Target.IfIndex == f.Target.IfIndex && told.Err == f.Err {
		told.Count += f.Count
		return told
	}
	p.tell(told)
	return f
}

func (p *Pacer) tell(f Failure) {
	if f.Count > 0 {
		p.failed(f)
	}
}
