package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var someMail = MailOptions{Server: "mx", Port: 25, To: []string{"ops@example.com"}, RouterID: "R1", Timeout: 30 * time.Second}

// stub is a mail server as the mailer sees it.
type stub struct {
	sent  []string
	tries []time.Duration // when something was tried, since the start
	start time.Time
	reply func(*letter) result
}

func (s *stub) deliver(ctx context.Context, o MailOptions, l *letter) result {
	s.tries = append(s.tries, time.Since(s.start))
	r := s.reply(l)
	if len(r.later) == 0 && r.refused == nil {
		s.sent = append(s.sent, l.subject)
	}
	return r
}

func testMailer(t *testing.T, reply func(*letter) result, test func(*Mailer, *stub, *logged)) {
	synctest.Test(t, func(t *testing.T) {
		l, s := &logged{}, &stub{reply: reply, start: time.Now()}
		m := newMailer(l.log, s.deliver)
		m.Apply(someMail)
		test(m, s, l)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m.Close(ctx)
	})
}

// pass lets time go by.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func down(l *letter) result {
	return result{later: l.to, cause: errors.New("connection refused"), down: true}
}

func TestMailerTriesAgain(t *testing.T) {
	failures := 4
	reply := func(l *letter) result {
		if failures--; failures >= 0 {
			return down(l)
		}
		return result{}
	}
	testMailer(t, reply, func(m *Mailer, s *stub, l *logged) {
		m.Post("one", "")
		pass(100 * time.Millisecond)
		m.Post("two", "")
		pass(time.Minute)
		if got := strings.Join(s.sent, ", "); got != "[R1] one, [R1] two" {
			t.Errorf("sent %s", got)
		}
		want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second, 15 * time.Second, 15 * time.Second}
		if !slices.Equal(s.tries, want) {
			t.Errorf("tried at %v, want %v", s.tries, want)
		}
		if got := l.text(); got != "mail server mx port 25: connection refused; trying again for 10m0s\n"+
			"mail server mx port 25 takes mails again, after 4 attempts in vain" {
			t.Errorf("logged %q", got)
		}
	})
}

func TestMailerGivesUp(t *testing.T) {
	testMailer(t, down, func(m *Mailer, s *stub, l *logged) {
		m.Post("one", "")
		m.Post("two", "")
		pass(defaultPatience - time.Second)
		if got := l.text(); strings.Contains(got, "dropped") {
			t.Errorf("too early: %q", got)
		}
		pass(2 * backoffMax)
		if got := l.text(); !strings.Contains(got, "mails dropped: 2,") {
			t.Errorf("logged %q", got)
		}
		tried := len(s.tries)
		pass(time.Hour)
		if len(s.tries) != tried {
			t.Error("tried again what was given up")
		}
	})
}

// Mails for all are put off for one recipient without waiting for him.
func TestMailerPutsOff(t *testing.T) {
	reply := func(l *letter) result {
		if l.subject == "[R1] one" && l.tries < 3 {
			return result{later: []string{"slow@example.com"}, cause: errors.New("450 greylisted")}
		}
		return result{}
	}
	testMailer(t, reply, func(m *Mailer, s *stub, l *logged) {
		m.Post("one", "")
		m.Post("two", "")
		m.Post("three", "")
		pass(time.Minute)
		if got := strings.Join(s.sent, ", "); got != "[R1] two, [R1] three, [R1] one" {
			t.Errorf("sent %s", got)
		}
		if got := l.text(); got != `mail "[R1] one" put off: 450 greylisted; trying again for 10m0s` {
			t.Errorf("logged %q", got)
		}
	})
}

func TestMailerRefused(t *testing.T) {
	reply := func(*letter) result { return result{refused: errors.New("550 no")} }
	testMailer(t, reply, func(m *Mailer, s *stub, l *logged) {
		m.Post("one", "")
		pass(time.Hour)
		if got := l.text(); len(s.tries) != 1 || got != `mail "[R1] one" refused: 550 no` {
			t.Errorf("tried %d times, logged %q", len(s.tries), got)
		}
	})
}

func TestMailerIsBounded(t *testing.T) {
	const posted = 1000
	var up atomic.Bool
	reply := func(l *letter) result {
		if up.Load() {
			return result{}
		}
		return down(l)
	}
	testMailer(t, reply, func(m *Mailer, s *stub, l *logged) {
		for i := range posted {
			m.Post(fmt.Sprint(i), "")
		}
		synctest.Wait()
		up.Store(true)
		pass(time.Minute)
		if n := len(s.sent); n != letterLimit || s.sent[n-1] != "[R1] 999" || s.sent[0] != "[R1] 744" {
			t.Errorf("sent %d, from %s to %s", n, s.sent[0], s.sent[n-1])
		}
		if n, _ := drops(l); n != posted-letterLimit {
			t.Errorf("told of %d drops: %s", n, l.text())
		}
	})
}

// drops adds up what was told of dropped mails.
func drops(l *logged) (total, reports int) {
	for _, line := range strings.Split(l.text(), "\n") {
		var n int
		if _, err := fmt.Sscanf(line, "mails dropped: %d", &n); err == nil {
			total += n
			reports++
		}
	}
	return total, reports
}

// Drops are told once a minute, and none is forgotten.
func TestMailerTellsDropsTogether(t *testing.T) {
	testMailer(t, down, func(m *Mailer, s *stub, l *logged) {
		for range letterLimit + 30 {
			m.Post("x", "")
			pass(time.Second)
		}
		m.Apply(MailOptions{})
		pass(time.Hour)
		total, reports := drops(l)
		if total != letterLimit+30 || reports > 3 {
			t.Errorf("told of %d drops in %d messages:\n%s", total, reports, l.text())
		}
	})
}

func TestMailerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, server := range []string{"up", "down", "hangs"} {
			l := &logged{}
			sent := false
			m := newMailer(l.log, func(ctx context.Context, o MailOptions, x *letter) result {
				switch server {
				case "down":
					return down(x)
				case "hangs":
					<-ctx.Done()
					return down(x)
				}
				sent = true
				return result{}
			})
			m.Apply(someMail)
			m.Post("Stopping", "")
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			m.Close(ctx)
			cancel()
			took, dropped := time.Since(start), strings.Contains(l.text(), "mails dropped: 1")
			if server == "up" && (took != 0 || !sent || dropped) || server != "up" && (took != 3*time.Second || !dropped) {
				t.Errorf("%s: took %v, sent %v, logged %q", server, took, sent, l.text())
			}
		}
	})
}

func TestMailerWithoutServer(t *testing.T) {
	testMailer(t, down, func(m *Mailer, s *stub, l *logged) {
		m.Apply(MailOptions{Server: "mx", Port: 25})
		m.Post("nobody gets it", "")
		pass(time.Hour)
		if len(s.tries) != 0 || l.text() != "" {
			t.Errorf("tried %d times, logged %q", len(s.tries), l.text())
		}
	})
}

// A new server is tried at once.
func TestMailerNewServer(t *testing.T) {
	var up atomic.Bool
	reply := func(l *letter) result {
		if up.Load() {
			return result{}
		}
		return down(l)
	}
	testMailer(t, reply, func(m *Mailer, s *stub, l *logged) {
		m.Post("one", "")
		pass(5 * time.Minute)
		up.Store(true)
		m.Apply(someMail)
		synctest.Wait()
		if len(s.sent) != 1 {
			t.Errorf("sent %q", s.sent)
		}
	})
}
