package lab

import (
	"time"

	"keepgo/internal/lab/drill"
	"keepgo/internal/netlab"
)

// inFlight is how old a request must be to count as lost.
const inFlight = 50 * time.Millisecond

// measure puts down what was seen of a scene that began at an instant and ends
// now.
func (p *play) measure(s *drill.Scene, begin time.Time) {
	end := time.Now()
	s.AtMS, s.TookMS = begin.Sub(p.started).Milliseconds(), end.Sub(begin).Milliseconds()
	for _, ping := range p.pings() {
		sent, lost := ping.Lost(begin, end.Add(-inFlight))
		s.Asked, s.Lost = s.Asked+sent, s.Lost+lost
	}
	s.GapMS = p.gap(begin).Milliseconds()
	for v, r := range p.stage.witness.reigns(len(p.stage.net.vips), begin, end) {
		s.TwoMS, s.NoneMS = max(s.TwoMS, r.Two.Milliseconds()), max(s.NoneMS, r.None.Milliseconds())
		if v == 0 {
			s.Spans = p.spans(r, begin)
		}
	}
	s.Stages = p.stages(begin)
	s.Kept = kept(p.held)
}

// noSilence is the longest time between two answers that is no silence.
const noSilence = 5 * pingEvery

// spans are the reign of the first address and the longest silence as the time
// line shows them.
func (p *play) spans(r drill.Reign, begin time.Time) []drill.Span {
	ms := func(t time.Time) int64 { return t.Sub(begin).Milliseconds() }
	w := p.stage.witness
	var list []drill.Span
	for _, x := range r.Spans {
		list = append(list, drill.Span{Who: p.stage.directors[x.Director].Name,
			FromMS: ms(w.began.Add(x.From)), ToMS: ms(w.began.Add(x.To))})
	}
	if len(p.stage.pings) > 0 && !p.stage.pings[0].Last().IsZero() {
		if from, to := p.stage.pings[0].Silence(begin); to.Sub(from) > noSilence {
			list = append(list, drill.Span{Who: drill.Silence, FromMS: ms(from), ToMS: ms(to)})
		}
	}
	return list
}

// stages tells how the first address was taken over since the deed, nil if
// nobody did.
func (p *play) stages(begin time.Time) *drill.Stages {
	gain, ok := p.stage.witness.gained(0, begin)
	if !ok {
		return nil
	}
	heir, v := p.stage.directors[gain.Director], p.stage.net.vips[0]
	after := func(t time.Time) int64 {
		if t.Before(begin) {
			return -1
		}
		return t.Sub(begin).Milliseconds()
	}
	st := &drill.Stages{AddressMS: after(p.stage.witness.began.Add(gain.At)), DetectMS: -1, ElectedMS: -1, ARPMS: -1, AnswerMS: -1}
	for _, a := range p.stage.sniff.Adverts(begin) {
		switch {
		case a.VRID != v.instance.VRID:
		case a.From == heir.Host && a.Priority > 0 && st.ElectedMS < 0:
			st.ElectedMS = after(a.At)
		case a.From != heir.Host && a.Priority == 0 && st.ElectedMS < 0:
			st.DetectMS = after(a.At) // the master says that it goes
		}
	}
	if st.DetectMS < 0 {
		st.DetectMS = p.turned(gain.Director, v.instance.Name, after)
	}
	for _, a := range p.stage.sniff.ARPs(begin) {
		if a.From == heir.Host && a.Sender == v.addr && a.Gratuitous() {
			st.ARPMS = after(a.At)
			break
		}
	}
	if st.AnswerMS = answerAfter(p.stage.pings[0], begin, after); st.AnswerMS < st.ElectedMS {
		st.AnswerMS = -1 // a silence of another cause
	}
	return st
}

// turned is when a director says that it became master.
func (p *play) turned(director int, instance string, after func(time.Time) int64) int64 {
	if s := p.status[director]; s != nil {
		for _, in := range s.Instances {
			if in.Name == instance && in.State == "MASTER" {
				return after(in.Since)
			}
		}
	}
	return -1
}

// answerAfter is when the longest silence ended.
func answerAfter(ping *netlab.Pinger, begin time.Time, after func(time.Time) int64) int64 {
	from, to := ping.Silence(begin)
	if ping.Last().IsZero() || to.Sub(from) <= noSilence || to.After(ping.Last()) {
		return -1
	}
	return after(to)
}
