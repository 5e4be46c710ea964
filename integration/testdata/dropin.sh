#!/bin/sh
# What an operator of Debian's keepalived does to it in a day, and the programs
# around it. It is run once with each daemon, as the keepalived of PATH; what it
# prints must be equal. $1 is the daemon's program.
set -eu
mount -t tmpfs -o mode=755 none /run
mkdir /run/bin
cp "$1" /run/bin/keepalived
mount -t tmpfs none /tmp
mount -t tmpfs -o mode=755 none /etc/keepalived
export PATH=/run/bin:/usr/sbin:/usr/bin:/sbin:/bin
unset TMPDIR
conf=/etc/keepalived/keepalived.conf

# until WHAT COMMAND...: wait for it, 30 seconds at most.
until_() {
	what=$1 tries=300
	shift
	while ! "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		if [ $tries = 0 ]; then
			echo "does not happen: $what"
			break
		fi
		sleep 0.1
	done
}
has() { grep -q -- "$1" "$2"; }
gone() { ! [ -e "$1" ]; }
stands() { ip -4 -o address show dev eth0 | grep -q " $1/"; }
addresses() { ip -4 -o address show dev eth0 | sed 's/.* inet \([^ ]*\) .*/  \1/' | sort; }

# instance NAME VRID PRIORITY ADDRESS...
instance() {
	printf 'vrrp_instance %s {\n interface eth0\n virtual_router_id %s\n priority %s\n advert_int 1\n' "$1" "$2" "$3"
	printf ' authentication {\n auth_type PASS\n auth_pass s3cr3t\n }\n notify /run/bin/notify\n virtual_ipaddress {\n'
	shift 3
	printf ' %s\n' "$@"
	printf ' }\n}\n'
}
global() {
	printf 'global_defs {\n router_id lb1\n script_user root\n enable_script_security\n vrrp_notify_fifo /run/fifo\n}\n'
}

printf '#!/bin/sh\necho "$@" >>/run/notified\n' >/run/bin/notify
chmod 755 /run/bin/notify

echo "== the configuration test"
{ global; instance VI_1 51 150 10.0.0.100/24; } >$conf
code=0; keepalived -t -f $conf || code=$?
echo "good: $code"
{ global; instance VI_1 51 150 10.0.0.100/24; echo "vrrp_instanse X {"; echo "}"; } >/run/bad
code=0; keepalived -t -f /run/bad >/dev/null 2>&1 || code=$?
echo "bad: $code"

echo "== version, as exporters and Ansible read it"
keepalived -v 2>&1 | sed -n '1s/^Keepalived v[0-9]*\.[0-9]*\.[0-9]* (.*/Keepalived vX.Y.Z (...)/p'
keepalived --version 2>&1 | grep -o -e --enable-json | head -1

echo "== start, as the unit does"
DAEMON_ARGS="-D"
mkfifo /run/fifo
sh -c 'exec cat <>/run/fifo' >/run/events &
reader=$!
keepalived --dont-fork $DAEMON_ARGS </dev/null >/dev/null 2>&1 &
main=$!
until_ "the address stands" stands 10.0.0.100
until_ "notify says MASTER" has "VI_1 MASTER" /run/notified
addresses
echo "pid file: $([ "$(cat /run/keepalived.pid)" = $main ] && echo main)"
for file in keepalived vrrp; do
	echo "$file: $(stat -c %a /run/$file.pid) $(kill -0 "$(cat /run/$file.pid)" && echo runs)"
done
code=0; timeout 20 keepalived --dont-fork >/dev/null 2>&1 || code=$?
echo "a second one ends with $code"
echo "the first one: $(kill -0 $main && echo runs)"

echo "== dumps, as exporters ask for them"
for what in DATA STATS JSON; do
	kill -"$(keepalived --signum=$what)" $main
done
until_ "data" has "State = MASTER" /tmp/keepalived.data
until_ "the end of data" has "< Interfaces >" /tmp/keepalived.data
until_ "stats" has "Priority Zero" /tmp/keepalived.stats
until_ "json" has '"pri_zero_sent"' /tmp/keepalived.json
stat -c '%n %a' /tmp/keepalived.data /tmp/keepalived.stats /tmp/keepalived.json
sed '/< VRRP Sockpool >/,/^------</d' /tmp/keepalived.data | grep -E '^ +(State|Wantstate|Interface|Virtual Router ID|Gratuitous ARP delay|Priority) = '
grep -A1 'Virtual IP (' /tmp/keepalived.data
grep -E 'Became master|Released master|Invalid Type|TTL|Length|Interval' /tmp/keepalived.stats
grep -oE '"(iname|ifp_ifname|vrid|state|wantstate|base_priority|effective_priority|become_master|pri_zero_sent)":[^,}]*' /tmp/keepalived.json

echo "== reload"
{ global; instance VI_1 51 150 10.0.0.100/24 10.0.0.101/24; instance VI_2 52 90 10.0.0.102/24; } >$conf
kill -HUP $main
until_ "the added address stands" stands 10.0.0.101
until_ "the added instance is MASTER" has "VI_2 MASTER" /run/notified
addresses
{ global; instance VI_1 51 150 10.0.0.101/24; } >$conf
kill -HUP $main
until_ "the removed addresses go" sh -c '! ip -4 -o address show dev eth0 | grep -qE " 10.0.0.10[02]/"'
addresses
echo "$(kill -0 $main && echo runs)"

echo "== stop"
kill -TERM $main
code=0; wait $main || code=$?
echo "exit status: $code"
addresses
for file in /run/keepalived.pid /run/vrrp.pid; do
	echo "$file $(gone $file && echo gone)"
done
until_ "notify says STOP" has "VI_1 STOP" /run/notified
until_ "the FIFO says STOP" has '"VI_1" STOP' /run/events
kill $reader
wait || true
echo "== what the FIFO told"
cat /run/events
echo "== what notify was told"
sort /run/notified
