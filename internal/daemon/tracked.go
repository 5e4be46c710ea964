package daemon

import (
	"maps"

	"keepgo/confparse"
	"keepgo/internal/watch"
)

// takeNumbers notes what the tracked files say, and returns what is new.
func (p *parent) takeNumbers() map[string]int {
	news := p.files.Take()
	maps.Copy(p.numbers, news)
	return news
}

// trackedProcesses are the processes to count.
func trackedProcesses(cfg *confparse.Config) []watch.Process {
	var procs []watch.Process
	for _, t := range cfg.TrackProcesses {
		procs = append(procs, watch.Process{
			Name: t.Name, Process: t.Process, Params: t.Params, Match: watch.Match(t.Match),
			Quorum: t.Quorum, QuorumMax: t.QuorumMax, ForkDelay: t.ForkDelay,
			TerminateDelay: t.TerminateDelay, FullCommand: t.FullCommand,
		})
	}
	return procs
}

// filesSay lets both halves hear numbers in tracked files.
func (p *parent) filesSay(numbers map[string]int) {
	p.vrrp.tell(toChild{Files: numbers})
	p.lvs.tell(toChild{Files: numbers})
}

// initFiles makes the tracked files that are to be made.
func (p *parent) initFiles() {
	for _, f := range p.cfg.TrackFiles {
		if f.Init {
			if err := watch.Init(f.Path, f.Value, f.Overwrite); err != nil {
				p.log.printf("%s: %v", f.Pos, err)
			}
		}
	}
}

// trackedFiles are the files to watch.
func trackedFiles(cfg *confparse.Config) []watch.File {
	var files []watch.File
	for _, f := range cfg.TrackFiles {
		files = append(files, watch.File{Name: f.Name, Path: f.Path})
	}
	return files
}

// scriptEnded passes a tracked script's result on.
func (p *parent) scriptEnded(name string, ok bool, words string) {
	for i, s := range p.cfg.Scripts {
		if s.Name == name {
			p.vrrp.tell(toChild{Script: &scriptResult{i, ok, words}})
		}
	}
}
