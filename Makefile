# `make test` installs what the tests need and runs all of them. Without root
# the tests that need it say so and are skipped.

GO ?= go

# Debian packages: the daemon we are compared with, a kernel that has IPVS with an
# emulator to boot it in, and a browser to look at reports.
PACKAGES = keepalived ipvsadm iproute2 nftables kmod qemu-system-x86 linux-image-amd64 busybox-static firefox-esr dbus-daemon snmpd snmp

.PHONY: bench build man deb test tools vet

# Without cgo: static, and able to give privileges away.
build:
	CGO_ENABLED=0 $(GO) build -o keepgo ./cmd/keepgo

# The man page is made of the table of keywords.
man:
	mkdir -p packaging/man
	$(GO) run ./cmd/keepgo manual --man > packaging/man/keepgo.conf.5

# Packages for amd64 and arm64, in packaging/out.
deb:
	GO="$(GO)" packaging/build-deb.sh

test: tools vet
	$(GO) test -timeout 23m ./...

# How fast it is, beside keepalived; as root. It takes 20 minutes, BENCH="--quick"
# less than six; BENCH="--help" says what else there is, docs/performance.md what it means.
bench: tools
	$(GO) run ./integration/bench $(BENCH)

vet:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	$(GO) vet ./...

# Only what is missing is installed, and only where that is possible.
tools:
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q 'ok installed' || echo $$p; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "not installed, the tests that need them are skipped:" $$missing; exit 0; fi; \
	apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null
