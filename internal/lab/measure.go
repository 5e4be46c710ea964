package lab

import (
	"slices"
	"time"

	"keepgo/internal/lab/drill"
)

// inFlight is how old a request must be to count as lost.
const inFlight = 50 * time.Millisecond

// measure puts down what was seen of a scene between two instants.
func (p *play) measure(s *drill.Scene, begin, end time.Time) {
	s.AtMS, s.TookMS = begin.Sub(p.started).Milliseconds(), end.Sub(begin).Milliseconds()
	for _, ping := range p.pings() {
		sent, lost := ping.Lost(begin, end.Add(-inFlight))
		s.Asked, s.Lost = s.Asked+sent, s.Lost+lost
	}
	s.GapMS, s.Silent = min(p.gap(begin), end.Sub(begin)).Milliseconds(), -1
	for _, w := range p.webs {
		if gap, ok := w.silent(begin); ok {
			s.Silent = max(s.Silent, min(gap, end.Sub(begin)).Milliseconds())
		}
	}
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
	if p.firstAnswers() {
		if from, to := p.stage.pings[0].Silence(begin); to.Sub(from) > noSilence {
			list = append(list, drill.Span{Who: drill.Silence, FromMS: ms(from), ToMS: ms(to)})
		}
	}
	return list
}

// tail is how long the last stages of a takeover are waited for: a master's
// addresses that stay answer all along, so a scene may be settled before the
// heir has announced them, and before anybody here has read that it did.
const tail = 2 * time.Second

// staged says whether every stage of a takeover was seen that is to be seen.
func (p *play) staged(begin time.Time) bool {
	st := p.stages(begin)
	return st == nil || (st.DetectMS >= 0 || p.foreign) && st.ElectedMS >= 0 && st.ARPMS >= 0 &&
		(st.AnswerMS >= 0 || !p.firstAnswers())
}

// firstAnswers says whether the first address answers pings.
func (p *play) firstAnswers() bool { return slices.Contains(p.pings(), p.stage.pings[0]) }

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
			if at, ok := p.stage.pings[0].AnsweredAfter(a.At); ok {
				st.AnswerMS = after(at)
			}
			st.AddressMS = min(st.AddressMS, st.ARPMS) // news of the address may be read later than the frame
			break
		}
	}
	if st.ElectedMS >= 0 {
		st.DetectMS = min(st.DetectMS, st.ElectedMS)
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
