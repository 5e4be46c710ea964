package drill

// Finding is what was looked at before a drill on a running pair.
type Finding struct {
	Key      string  `json:"key"`
	Verdict  Verdict `json:"verdict"`
	Evidence string  `json:"evidence"`     // what was seen
	Do       string  `json:"do,omitempty"` // what to do about it
}

// Verdict is what a finding means for the drill.
type Verdict string

// Verdicts.
const (
	Good     Verdict = "ok"
	Unknown  Verdict = "unknown"  // nothing tells; the drill may go on
	Stops    Verdict = "STOP"     // the drill must not begin
	Accepted Verdict = "accepted" // it would stop the drill, but for the operator
)

// Stopped lists the keys of the findings that stop a drill.
func Stopped(list []Finding) (keys []string) {
	for _, f := range list {
		if f.Verdict == Stops {
			keys = append(keys, f.Key)
		}
	}
	return keys
}
