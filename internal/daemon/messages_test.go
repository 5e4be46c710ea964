package daemon

import (
	"fmt"
	"reflect"
	"testing"

	"keepgo/internal/ha"
	"keepgo/vip"
)

// manyInstances is a plan of n instances.
func manyInstances(n int) *ha.Plan {
	p := &ha.Plan{QuietIGMP: true}
	for i := range n {
		p.Instances = append(p.Instances, &ha.Instance{
			Name: fmt.Sprint("I", i), Key: ha.Key{Link: "eth0", VRID: uint8(i)}, Announce: &ha.Announce{Repeat: 5}, Addresses: vip.Set{{Link: "eth0"}}, Tracks: &ha.Tracks{},
		})
	}
	return p
}

// TestPlansArriveWhole: however many messages tell a plan, it is the same.
func TestPlansArriveWhole(t *testing.T) {
	for _, n := range []int{0, 1, piece, piece + 1, 5*piece - 1} {
		for _, m := range []toChild{{HA: manyInstances(n), Replaces: true}, {HAUpdate: &ha.Update{Plan: manyInstances(n), Stay: []int{0, 2}}}} {
			a, b := pair(t)
			parts := m.pieces()
			if want := max(1, (n+piece-1)/piece); len(parts) != want {
				t.Errorf("%d instances are %d messages, want %d", n, len(parts), want)
			}
			for _, part := range parts {
				a.send(part)
			}
			go a.close()
			l := &vrrpLoop{}
			for got := range b.in {
				switch {
				case got.Instances != nil:
					l.told(got)
					continue
				case m.HA != nil && got.Replaces:
					l.complete(got.HA)
				case m.HAUpdate != nil:
					l.complete(got.HAUpdate.Plan)
				}
				if got.Instances = nil; !reflect.DeepEqual(got, m) || l.coming != nil {
					t.Errorf("of %d instances arrived %+v", n, got)
				}
			}
			b.close()
		}
	}
}

// TestPiecesLeaveThePlan: the parent has the plan still.
func TestPiecesLeaveThePlan(t *testing.T) {
	p := manyInstances(2*piece + 1)
	toChild{HA: p}.pieces()
	toChild{HAUpdate: &ha.Update{Plan: p}}.pieces()
	if !reflect.DeepEqual(p, manyInstances(2*piece+1)) {
		t.Error("it has lost some")
	}
}

// TestOtherMessagesAreOne: what is no plan of the VRRP process is told as it is.
func TestOtherMessagesAreOne(t *testing.T) {
	if parts := (toChild{Stop: true, Keep: true}).pieces(); len(parts) != 1 || !parts[0].Stop || !parts[0].Keep {
		t.Errorf("%+v", parts)
	}
}
