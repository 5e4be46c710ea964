package main

import "time"

// scenes are all, the most important first.
var scenes = []scene{
	{name: "wake-up", bare: bareWake},
	{name: "failover 1s", links: 1, play: failover(time.Second, 50, 2, 1)},
	{name: "failover 100ms", links: 1, play: failover(100*time.Millisecond, 20, 10, 4)},
	{name: "failover 10ms", links: 1, play: failover(10*time.Millisecond, 1, 40, 20)},
	{name: "answers", links: 1, play: answers},
	{name: "lives", links: 1, play: lives, bare: bareLives},
	{name: "1000 addresses", links: 1, play: many("1000 addresses", wide(1000)), bare: bareAddresses(1000)},
	{name: "sync group", links: 1, play: many("sync group", shape{instances: 100, interval: 100 * time.Millisecond, priority: 100, vips: 10, group: true})},
	{name: "100 at 10ms", links: 1, play: steady(100, 10*time.Millisecond, 10, 5), bare: bareSpeak(100, 10*time.Millisecond, 10, 3)},
	{name: "100 at 1s", links: 1, play: steady(100, time.Second, 15, 10)},
	{name: "1020 at 100ms", links: 5, play: steady(1020, 100*time.Millisecond, 10, 5), bare: bareSpeak(1020, 100*time.Millisecond, 10, 3)},
	{name: "500 heard", links: 2, play: receive(500), bare: bareHear(500)},
	{name: "mass 2000", links: 8, play: mass(2000)},
	{name: "reload 2000", links: 8, play: reload(2000)},
	{name: "test", play: tests, bare: bareWords},
	{name: "TCP_CHECK", links: 1, alone: noIPVS, play: checks("TCP_CHECK", 500), bare: bareChecks("TCP_CHECK")},
	{name: "HTTP_GET", links: 1, alone: noIPVS, play: checks("HTTP_GET", 500), bare: bareChecks("HTTP_GET")},
	{name: "SSL_GET", links: 1, alone: noIPVS, play: checks("SSL_GET", 500), bare: bareChecks("SSL_GET")},
	{name: "5000 servers", links: 1, alone: noIPVS, play: crowd},
	{name: "memory 10000", links: 1, alone: noIPVS, play: memory(10000)},
	{name: "memory 60000", links: 1, alone: noIPVS, play: memory(60000)},
	{name: "reload 1000 services", links: 1, alone: noIPVS, play: adds(1000)},

	// The same at another size, to see how cost grows.
	{name: "100 addresses", links: 1, whole: true, play: many("100 addresses", wide(100)), bare: bareAddresses(100)},
	{name: "10000 addresses", links: 1, whole: true, play: many("10000 addresses", wide(10000)), bare: bareAddresses(10000)},
	{name: "50 heard", links: 1, whole: true, play: receive(50)},
	{name: "mass 200", links: 1, whole: true, play: mass(200)},
	{name: "reload 200", links: 1, whole: true, play: reload(200)},
	{name: "memory 1000", links: 1, whole: true, alone: noIPVS, play: memory(1000)},
	{name: "reload 100 services", links: 1, whole: true, alone: noIPVS, play: adds(100)},

	{name: "ipvs 10000", guest: true, play: program(10000), bare: bareProgram(10000)},
	{name: "emulated TCP_CHECK", links: 1, guest: true, whole: true, play: checks("TCP_CHECK", 100)},
	{name: "emulated HTTP_GET", links: 1, guest: true, whole: true, play: checks("HTTP_GET", 100)},
	{name: "emulated SSL_GET", links: 1, guest: true, whole: true, play: checks("SSL_GET", 100)},
	{name: "emulated reload 1000 services", links: 1, guest: true, whole: true, play: adds(1000)},
	{name: "ipvs 1000", guest: true, whole: true, play: program(1000), bare: bareProgram(1000)},
}

// noIPVS is why keepalived does not play: its checker ends at once on a kernel
// that has no IPVS.
const noIPVS = "needs IPVS"

// rows are the table. Behind a goal in time stands what keepalived and the bare
// loop took where it was set.
var rows = []row{
	{"failover 1s", "master silent to first gratuitous ARP, beyond Master_Down_Interval, advert_int 1", "ms", 0.5, scaled(0.30, 0.30, 0), "wake-up"},
	{"failover 100ms", "the same, advert_int 0.1", "ms", 0.5, noWorse(), "wake-up"},
	{"failover 10ms", "the same, advert_int 0.01", "ms", 0.5, noWorse(), "wake-up"},
	{"answers", "master silent to first ARP answer, beyond Master_Down_Interval", "ms", 0.5, scaled(0.5, 0.5, 0), ""},
	{"first advert", "start of the program to first advert", "ms", 0.5, scaled(12, 10, 0), ""},
	{"priority 0", "SIGTERM to priority 0", "ms", 0.5, scaled(0.3, 0.29, 0), ""},
	{"gone", "SIGTERM to gone", "ms", 0.5, atMost(50).or(0.05), ""},
	{"1000 addresses", "takeover of 1,000 addresses, all up and announced", "ms", 0.5, scaled(16, 21.8, 13.1), ""},
	{"1000 addresses release", "release of 1,000 addresses", "ms", 0.5, scaled(8, 10.8, 6.6), ""},
	{"sync group", "takeover of a sync group of 100 instances with 10 addresses", "ms", 0.5, scaled(18, 37, 13.1), "1000 addresses"},
	{"sync group release", "release of the sync group", "ms", 0.5, noWorse(), "1000 addresses release"},
	{"jitter 100 at 10ms", "jitter of adverts, 100 instances at 10 ms", "ms", 0.99, atMost(1).or(1), ""},
	{"sent 100 at 10ms", "adverts sent of wanted, 100 instances at 10 ms", "", 0.5, atLeast(0.999), ""},
	{"jitter 1020 at 100ms", "jitter of adverts, 1,020 instances at 100 ms", "ms", 0.99, atMost(1).or(1), ""},
	{"sent 1020 at 100ms", "adverts sent of wanted, 1,020 instances at 100 ms", "", 0.5, atLeast(0.999), ""},
	{"cpu 100 at 1s", "processor time of 1,000 adverts sent, 100 instances at 1 s", "ms", 0.5, scaled(25, 33.6, 0), ""},
	// The bare loop was another where this goal was set: ten times cheaper than
	// the goal, without a link that carries the adverts anywhere.
	{"cpu 1020 at 100ms", "processor time of 1,000 adverts sent, 1,020 instances at 100 ms", "ms", 0.5, scaled(5, 9.3, 0), ""},
	{"cpu 500 heard", "processor time of 1,000 adverts heard, 500 instances at 100 ms", "ms", 0.5, scaled(2.5, 3.9, 1.4), ""},
	{"mass 2000", "2,000 masters silent at once: first advert beyond Master_Down_Interval", "ms", 0.99, scaled(1.2, 14.7, 0), "wake-up"},
	{"pss 100", "memory of the VRRP process (PSS), 100 instances", "MiB", 0.5, atMost(8), ""},
	{"pss 2000 backup", "memory of the VRRP process (PSS), 2,000 instances after a takeover", "MiB", 0.5, atMost(12), ""},
	{"pss 2000 reloaded", "memory of the VRRP process (PSS), 2,000 instances after reloads", "MiB", 0.5, atMost(12), ""},
	{"reload 2000", "reload of 2,000 instances, one address changed: SIGHUP to the kernel's notification", "ms", 0.5, scaled(30, 91, 0), ""},
	{"gap 2000", "longest gap between two adverts over that reload, in intervals", "", 1, atMost(1.02), ""},
	{"test 10000 services", "test of a configuration of 10,000 virtual servers with 4 real servers", "ms", 0.5, scaled(150, 366, 15), ""},
	{"test 10000 services memory", "memory of that", "MiB", 0.5, atMost(80), ""},
	{"test 10000 addresses", "test of one instance with 10,000 addresses", "ms", 0.5, scaled(30, 32, 0), ""},
	{"cpu TCP_CHECK", "processor time of one TCP_CHECK", "µs", 0.5, scaled(32, 42, 14.5), ""},
	{"cpu HTTP_GET", "processor time of one HTTP_GET", "µs", 0.5, scaled(55, 101, 18), ""},
	{"cpu SSL_GET", "processor time of one SSL_GET, session resumed", "µs", 0.5, scaled(200, 0, 65), ""},
	{"checks done", "checks done of wanted, 5,000 servers each second", "", 0.5, atLeast(0.999), ""},
	// 0.5 s, with a tenth for the sample: half of delay_loop is the least there is.
	{"death seen", "death of a server to its removal, of 5,000 checked each second", "ms", 0.5, atMost(550), ""},
	{"memory 10000", "memory of a real server, of 10,000", "KiB", 0.5, atMost(2), ""},
	{"memory 60000", "memory of a real server, of 60,000", "KiB", 0.5, atMost(2), ""},
	{"reload 1000 services", "processor time of a reload, 1,000 virtual servers with 4 real servers, one added", "ms", 0.5, scaled(20, 386, 0), ""},
	{"emulated ipvs 10000", "emulated machine: 10,000 virtual servers with 4 real servers put into IPVS, from the first to the last", "ms", 0.5, goal{keepalived: 0.5}, ""},
	{"emulated ipvs 10000 removed", "emulated machine: SIGTERM to the last of them removed, or the daemon's end", "ms", 0.5, goal{keepalived: 0.5}, ""},
	{"emulated ipvs 10000 left", "emulated machine: services that are left then", "", 0.5, noWorse(), ""},
	{"emulated ipvs 10000 start", "emulated machine: start of the program until all stand", "ms", 0.5, noWorse(), ""},
	{"emulated cpu TCP_CHECK", "emulated machine: processor time of one TCP_CHECK", "µs", 0.5, shown(), ""},
	{"emulated cpu HTTP_GET", "emulated machine: processor time of one HTTP_GET", "µs", 0.5, shown(), ""},
	{"emulated cpu SSL_GET", "emulated machine: processor time of one SSL_GET", "µs", 0.5, shown(), ""},
	{"emulated reload 1000 services", "emulated machine: processor time of a reload, 1,000 virtual servers with 4 real servers, one added", "ms", 0.5, scaled(20, 386, 0), ""},
}
