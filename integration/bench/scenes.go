package main

import (
	"math"
	"time"
)

// scenes are all, the most important first.
var scenes = []scene{
	{name: "bare loops", links: 1, bare: true, play: bareLoops},
	{name: "failover 1s", links: 1, play: failover(time.Second, 50, 2, 1)},
	{name: "failover 100ms", links: 1, play: failover(100*time.Millisecond, 20, 10, 4)},
	{name: "failover 10ms", links: 1, play: failover(10*time.Millisecond, 1, 60, 20)},
	{name: "answers", links: 1, play: answers},
	{name: "lives", links: 1, play: lives},
	{name: "1000 addresses", links: 1, play: many("1000 addresses", shape{instances: 1, interval: 100 * time.Millisecond, priority: 100, vips: 1000})},
	{name: "sync group", links: 1, play: many("sync group", shape{instances: 100, interval: 100 * time.Millisecond, priority: 100, vips: 10, group: true})},
	{name: "100 at 10ms", links: 1, play: steady(100, 10*time.Millisecond, 10, 5)},
	{name: "100 at 1s", links: 1, play: steady(100, time.Second, 20, 10)},
	{name: "1020 at 100ms", links: 5, play: steady(1020, 100*time.Millisecond, 10, 5)},
	{name: "heard", links: 2, play: receive},
	{name: "mass", links: 8, play: mass},
	{name: "reload", links: 8, play: reload},
	{name: "test", play: tests},
	{name: "TCP_CHECK", links: 1, alone: noIPVS, play: checks("TCP_CHECK")},
	{name: "HTTP_GET", links: 1, alone: noIPVS, play: checks("HTTP_GET")},
	{name: "SSL_GET", links: 1, alone: noIPVS, play: checks("SSL_GET")},
	{name: "5000 servers", links: 1, alone: noIPVS, play: crowd},
	{name: "memory 10000", links: 1, alone: noIPVS, play: memory(10000)},
	{name: "memory 60000", links: 1, alone: noIPVS, play: memory(60000)},
	{name: "reload server", links: 1, alone: noIPVS, play: adds},
}

// noIPVS is why keepalived does not play: its checker ends at once on a kernel
// that has no IPVS.
const noIPVS = "needs IPVS"

var better = math.NaN() // no worse than keepalived

// rows are the table.
var rows = []row{
	{"failover 1s", "master silent to first gratuitous ARP, beyond Master_Down_Interval, advert_int 1", "ms", 0.5, better, false, "wake-up"},
	{"failover 100ms", "the same, advert_int 0.1", "ms", 0.5, better, false, "wake-up"},
	{"failover 10ms", "the same, advert_int 0.01", "ms", 0.5, better, false, "wake-up"},
	{"answers", "master silent to first ARP answer, beyond Master_Down_Interval", "ms", 0.5, better, false, ""},
	{"first advert", "start of the program to first advert", "ms", 0.5, 12, false, ""},
	{"priority 0", "SIGTERM to priority 0", "ms", 0.5, 0.3, false, ""},
	{"gone", "SIGTERM to gone", "ms", 0.5, 50, false, ""},
	{"1000 addresses", "takeover of 1,000 addresses, all up and announced", "ms", 0.5, 16, false, "1000 both"},
	{"1000 addresses release", "release of 1,000 addresses", "ms", 0.5, 8, false, "1000 removed"},
	{"sync group", "takeover of a sync group of 100 instances with 10 addresses", "ms", 0.5, 18, false, "1000 both"},
	{"sync group release", "release of the sync group", "ms", 0.5, better, false, "1000 removed"},
	{"jitter 100 at 10ms", "jitter of adverts, 100 instances at 10 ms", "ms", 0.99, 1, false, "wake-up"},
	{"sent 100 at 10ms", "adverts sent of wanted, 100 instances at 10 ms", "", 0.5, 0.999, true, ""},
	{"jitter 1020 at 100ms", "jitter of adverts, 1,020 instances at 100 ms", "ms", 0.99, 1, false, "wake-up"},
	{"sent 1020 at 100ms", "adverts sent of wanted, 1,020 instances at 100 ms", "", 0.5, 0.999, true, ""},
	{"cpu 100 at 1s", "processor time of 1,000 adverts sent, 100 instances at 1 s", "ms", 0.5, 25, false, ""},
	{"cpu 1020 at 100ms", "processor time of 1,000 adverts sent, 1,020 instances at 100 ms", "ms", 0.5, 5, false, "1000 announced"},
	{"cpu heard", "processor time of 1,000 adverts heard, 500 instances at 100 ms", "ms", 0.5, 2.5, false, ""},
	{"mass", "2,000 masters silent at once: first advert beyond Master_Down_Interval", "ms", 0.99, 1.2, false, "wake-up"},
	{"pss 100", "memory of the VRRP process (PSS), 100 instances", "MiB", 0.5, 8, false, ""},
	{"pss 2000 backup", "memory of the VRRP process (PSS), 2,000 instances after a takeover", "MiB", 0.5, 12, false, ""},
	{"pss reloaded", "memory of the VRRP process (PSS), 2,000 instances after reloads", "MiB", 0.5, 12, false, ""},
	{"reload seen", "reload of 2,000 instances, one address changed: SIGHUP to the kernel's notification", "ms", 0.5, 30, false, ""},
	{"reload gap", "longest gap between two adverts over that reload, in intervals", "", 1, 1.02, false, ""},
	{"test large", "test of a configuration of 10,000 virtual servers with 4 real servers", "ms", 0.5, 150, false, "words"},
	{"test large memory", "memory of that", "MiB", 0.5, 80, false, ""},
	{"test wide", "test of one instance with 10,000 addresses", "ms", 0.5, 30, false, ""},
	{"cpu TCP_CHECK", "processor time of one TCP_CHECK", "µs", 0.5, 32, false, "connect"},
	{"cpu HTTP_GET", "processor time of one HTTP_GET", "µs", 0.5, 55, false, "connect"},
	{"cpu SSL_GET", "processor time of one SSL_GET", "µs", 0.5, 200, false, "connect"},
	{"checks done", "checks done of wanted, 5,000 servers each second", "", 0.5, 0.999, true, ""},
	{"death seen", "death of a server to its removal, one of 5,000 checked each second", "ms", 0.5, 600, false, ""},
	{"memory 10000", "memory of a real server, of 10,000", "KiB", 0.5, 2, false, ""},
	{"memory 60000", "memory of a real server, of 60,000", "KiB", 0.5, 2, false, ""},
	{"reload server", "processor time of a reload, 1,000 virtual servers with 4 real servers, one added", "ms", 0.5, 20, false, ""},
}
