package daemon

import (
	"sync"
	"time"

	"keepgo/ipvsctl"
	"keepgo/ipvsctl/genl"
)

// syncRepair is the time between two looks at the sync daemon: the VRRP process
// is punctual only while it has little to do.
const syncRepair = 2 * time.Second

// syncer runs the IPVS sync daemon that follows an instance, once one is
// wanted. Its door is opened beside the loop, because the kernel may have to
// load modules first. A kernel without IPVS is told once, and asked again at
// growing distances.
type syncer struct {
	log func(format string, args ...any)

	mu     sync.Mutex
	want   ipvsctl.SyncWant
	repair bool
	door   *genl.Door    // nil until it is open, and where there is none
	ending chan struct{} // closed to give up opening
	opened chan struct{} // closed when door is final; nil before any want
}

// set gives the newest want, and whether it is put back when others change it.
// It never blocks.
func (s *syncer) set(w ipvsctl.SyncWant, repair bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.want, s.repair = w, repair
	switch {
	case s.door != nil:
		s.hand()
	case s.opened == nil && w.Roles != 0:
		s.opened, s.ending = make(chan struct{}), make(chan struct{})
		go s.open()
	}
}

// open opens the door, at once or when the module is there. This process does not
// try to load it again: that would disturb it.
func (s *syncer) open() {
	defer close(s.opened)
	err := s.try()
	if err == nil {
		return
	}
	s.log("lvs_sync_daemon: %v; no connections are synchronised until it is there", err)
	for pause := firstAgain; err != nil; pause = min(2*pause, lastAgain) {
		select {
		case <-s.ending:
			return
		case <-time.After(pause):
		}
		if moduleThere() {
			err = s.try()
		}
	}
	s.log("lvs_sync_daemon: IPVS is there now")
}

// try opens the door, and hands it the want.
func (s *syncer) try() error {
	door, err := openIPVS(genl.Options{Repair: syncRepair, Report: func(ev genl.Event) { s.log("%s", ev) }})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.door = door
	s.hand()
	return nil
}

// hand gives the want to the door.
func (s *syncer) hand() {
	s.door.Leave(!s.repair)
	s.door.SetSync(s.want)
}

// close carries out what was set last.
func (s *syncer) close() error {
	if s.opened == nil {
		return nil
	}
	close(s.ending)
	<-s.opened
	if s.door == nil {
		return nil
	}
	defer s.door.Close()
	return s.door.Sync()
}
