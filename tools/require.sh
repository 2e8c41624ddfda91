#!/bin/sh
# Says plainly what this machine lacks for `make demo` or `make test`, and installs what Debian's packages can give.
# usage: tools/require.sh PACKAGE...   (a package that is already there costs nothing)
set -eu

fail() {
	printf 'berth: %s\n' "$1" >&2
	exit 1
}

[ "$(uname -s)" = Linux ] || fail 'this needs Linux'
[ "$(id -u)" = 0 ] || fail 'this needs root: namespaces, mounts and cgroups are made for real'
command -v node >/dev/null || fail 'Node.js 20 or later is missing'
[ "$(node -p 'process.versions.node.split(".")[0] >= 20')" = true ] || fail "Node.js 20 or later is needed, this is $(node --version)"
command -v cc >/dev/null || command -v gcc >/dev/null || fail 'a C compiler is missing (native/berth-shim is C)'
command -v make >/dev/null || fail 'make is missing'

missing=
for package in "$@"; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
if [ -n "$missing" ]; then
	command -v apt-get >/dev/null || fail "these Debian packages are missing, and there is no apt-get to install them:$missing"
	export DEBIAN_FRONTEND=noninteractive
	# The packages' services must not start: everything here runs programs of its own, on directories of its own.
	policy=/usr/sbin/policy-rc.d
	[ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' >$policy; chmod 755 $policy; trap 'rm -f $policy' EXIT; }
	apt-get update -qq >/dev/null 2>&1 || true
	# A package of its own since Debian 13; before, docker.io has it.
	apt-cache show docker-cli >/dev/null 2>&1 || missing=$(printf '%s' "$missing" | sed 's/ docker-cli//')
	# shellcheck disable=SC2086
	[ -z "$missing" ] || apt-get install -y -qq --no-install-recommends $missing >/tmp/berth-apt.log 2>&1 || {
		tail -20 /tmp/berth-apt.log >&2
		fail "could not install:$missing"
	}
fi
command -v nft >/dev/null || [ -x /usr/sbin/nft ] || case " $* " in *' nftables '*) fail 'nft is missing' ;; esac
