#!/bin/sh
# Builds the packages keepgo (for each architecture of $ARCHES) and
# keepgo-keepalived-compat into packaging/out, or $OUT. dpkg-deb and Go are all
# it needs. The same commit gives the same bytes.
set -eu
umask 022
cd "$(dirname "$0")/.."
: "${GO:=go}" "${ARCHES:=amd64 arm64}" "${OUT:=packaging/out}"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$OUT"

# The texts come from the program itself.
$GO build -o "$work/native" ./cmd/keepgo
version=$("$work/native" version | cut -d' ' -f2)
speaks=$("$work/native" run -v 2>&1 | sed -n '1s/^Keepalived v\([0-9.]*\) .*/\1/p')

# binary ARCH TREE: a static program.
binary() {
	mkdir -p "$2/usr/sbin"
	CGO_ENABLED=0 GOOS=linux GOARCH=$1 $GO build -trimpath -ldflags '-s -w' -o "$2/usr/sbin/keepgo" ./cmd/keepgo
}

# page FILE TREE NAME: a man page.
page() {
	mkdir -p "$2/usr/share/man/man${3##*.}"
	gzip -9n <"$1" >"$2/usr/share/man/man${3##*.}/$3.gz"
}

# texts TREE: all of keepgo that is not the program.
texts() {
	share=$1/usr/share
	"$work/native" manual --man >"$work/keepgo.conf.5"
	page "$work/keepgo.conf.5" "$1" keepgo.conf.5
	page packaging/keepgo.8 "$1" keepgo.8
	mkdir -p "$share/bash-completion/completions" "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
	"$work/native" completion bash >"$share/bash-completion/completions/keepgo"
	"$work/native" completion zsh >"$share/zsh/vendor-completions/_keepgo"
	"$work/native" completion fish >"$share/fish/vendor_completions.d/keepgo.fish"
	mkdir -p "$share/doc/keepgo/examples" "$1/usr/lib/systemd/system"
	cp etc/keepgo.conf.example packaging/hardened.conf "$share/doc/keepgo/examples/"
	cp packaging/keepgo.service packaging/keepgo-rs.service "$1/usr/lib/systemd/system/"
	mkdir -p "$share/dbus-1/system.d"
	cp packaging/dbus-policy.conf "$share/dbus-1/system.d/keepgo.conf"
}

# compat TREE: keepalived's names for it.
compat() {
	mkdir -p "$1/usr/sbin" "$1/usr/lib/systemd/system" "$1/usr/share/man/man5" "$1/usr/share/man/man8"
	ln -s keepgo "$1/usr/sbin/keepalived"
	ln -s keepgo.8.gz "$1/usr/share/man/man8/keepalived.8.gz"
	ln -s keepgo.conf.5.gz "$1/usr/share/man/man5/keepalived.conf.5.gz"
	sed -e 's,/usr/sbin/keepgo run,/usr/sbin/keepalived,' -e 's,/etc/default/keepgo,/etc/default/keepalived,' \
		-e 's,^Conflicts=.*,Conflicts=keepgo.service,' -e 's,^Description=keepgo:,& as keepalived:,' \
		packaging/keepgo.service >"$1/usr/lib/systemd/system/keepalived.service"
}

# pack NAME ARCH TREE SERVICE: control files, and the package.
pack() {
	mkdir -p "$3/DEBIAN" "$3/usr/share/doc/$1"
	cp LICENSE "$3/usr/share/doc/$1/copyright"
	size=$(du -sk --apparent-size "$3" | cut -f1)
	sed -e "s/@VERSION@/$version/g" -e "s/@SPEAKS@/$speaks/g" -e "s/@ARCH@/$2/g" -e "s/@SIZE@/$size/g" \
		"packaging/deb/$1.control" >"$3/DEBIAN/control"
	for script in postinst prerm postrm; do
		if [ -f "packaging/deb/$script.$1" ]; then
			install -m 755 "packaging/deb/$script.$1" "$3/DEBIAN/$script"
		fi
	done
	(cd "$3" && find usr -type f | LC_ALL=C sort | xargs md5sum >DEBIAN/md5sums)
	dpkg-deb --root-owner-group -Zxz --build "$3" "$OUT/$1_${version}_$2.deb"
}

for arch in $ARCHES; do
	binary "$arch" "$work/$arch"
	texts "$work/$arch"
	pack keepgo "$arch" "$work/$arch"
done
compat "$work/compat"
pack keepgo-keepalived-compat all "$work/compat"
