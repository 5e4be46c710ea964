package drill

import "testing"

func two() []Report {
	first := Report{File: "k.conf", Daemon: "ipvs", OK: true,
		HTTP: []*Answers{{Target: "vip:80", Servers: map[string]int{"a": 30, "b": 10}, Failed: 10}},
		Scenes: []Scene{{Key: "power", Name: "power", OK: true, GapMS: 3100, Asked: 300, Lost: 30, Kept: &Kept{Held: 4, Kept: 1}},
			{Key: "stop", Name: "stop", OK: true, GapMS: 20, Asked: 100}}}
	second := first
	second.Daemon = "nftables"
	second.HTTP = []*Answers{{Target: "vip:80", Servers: map[string]int{"a": 5, "c": 5}}, {Target: "vip:81", Failed: 3}}
	second.Scenes = second.Scenes[1:]
	return []Report{first, second}
}

func TestReportsBesideEachOther(t *testing.T) {
	has(t, text(t, WriteTable, two()),
		"service     server            ipvs              nftables\n",
		"vip:80      a                 30 of 40, 75.0 %  5 of 10, 50.0 %\n",
		"vip:80      b                 10 of 40, 25.0 %  0 of 10, 0.0 %\n",
		"vip:80      c                 0 of 40, 0.0 %    5 of 10, 50.0 %\n",
		"vip:80      requests lost     10 of 50, 20.0 %  0 of 10, 0.0 %\n",
		"vip:81      requests lost     -                 3 of 3, 100.0 %\n",
		"all scenes  longest gap       3100 ms           20 ms\n",
		"all scenes  pings lost        30 of 400, 7.5 %  0 of 100, 0.0 %\n",
		"all scenes  connections kept  1 of 4, 25.0 %    -\n")
	has(t, text(t, WriteHTML, two()), "<th>ipvs</th><th>nftables</th>", `<td>requests lost</td><td class="n">10 of 50, 20.0 %</td>`)
}
