package confparse_test

import (
	"fmt"
	"testing"
	"time"

	"keepgo/confparse"
)

// TestBetter: keepgo's ways are on, one word turns all of them back, and what is
// said of one of them counts, in global_defs and then in the instance.
func TestBetter(t *testing.T) {
	for _, tt := range []struct{ global, own, want string }{
		{"", "", "true true restore tolerate 30s"},
		{"like_keepalived", "", "false false release tolerate 0s"},
		{"like_keepalived off", "", "true true restore tolerate 30s"},
		{"like_keepalived\nvrrp_reannounce\nvrrp_frames_first 5", "", "true false release tolerate 5s"},
		{"vrrp_vip_loss restore\nlike_keepalived", "", "false false restore tolerate 0s"},
		{"like_keepalived", "reannounce\nlisten_after_pause on\nvip_loss restore", "true true restore tolerate 0s"},
		{"vrrp_reannounce off\nvrrp_listen_after_pause off\nvrrp_vip_mismatch drop\nvrrp_frames_first 0", "", "false false restore drop 0s"},
		{"vrrp_vip_mismatch drop", "vip_mismatch tolerate\nvip_loss release\nreannounce off", "false true release tolerate 30s"},
	} {
		cfg := clean(t, "global_defs {\n"+tt.global+"\n}\n"+instance(tt.own))
		if got := ways(cfg); got != tt.want {
			t.Errorf("%q, %q: %s, want %s", tt.global, tt.own, got, tt.want)
		}
	}
}

func ways(cfg *confparse.Config) string {
	i := cfg.Instances[0]
	loss, mismatch := "restore", "tolerate"
	if i.ReleaseLost {
		loss = "release"
	}
	if i.DropMismatch {
		mismatch = "drop"
	}
	return fmt.Sprint(i.Reannounce, " ", i.ListenAfterPause, " ", loss, " ", mismatch, " ", cfg.Global.FramesFirst.Round(time.Second))
}

func TestBetterOnlyGlobal(t *testing.T) {
	for keyword, value := range map[string]func(*confparse.Global) bool{
		"lvs_repair":          func(g *confparse.Global) bool { return g.LVSRepair },
		"vrrp_restart_frozen": func(g *confparse.Global) bool { return g.RestartFrozen },
		"lvs_restart_frozen":  func(g *confparse.Global) bool { return g.RestartFrozenLVS },
		"bfd_restart_frozen":  func(g *confparse.Global) bool { return g.RestartFrozenBFD },
	} {
		for global, want := range map[string]bool{
			"": true, "like_keepalived": false, keyword + " off": false, "like_keepalived\n" + keyword: true,
		} {
			if got := value(&clean(t, "global_defs {\n"+global+"\n}\n"+instance("")).Global); got != want {
				t.Errorf("%q: %v, want %v", global, got, want)
			}
		}
	}
}

// TestOursOnOneLine: keepalived passes over a keyword that it does not know, and
// only where it opens no block is the rest of the file read as it was meant.
func TestOursOnOneLine(t *testing.T) {
	found := 0
	visit(confparse.Top(), "", func(path string, k *confparse.Keyword) {
		if k.Since != confparse.Ours {
			return
		}
		found++
		if k.Block != nil {
			t.Errorf("%s > %s opens a block", path, k.Name)
		}
	})
	if found < 10 {
		t.Errorf("%d keywords are keepgo's own", found)
	}
}
