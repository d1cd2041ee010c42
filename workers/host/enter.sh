# Brings the guard and becomes it. Run by `/bin/sh -c 'eval ...'` with these set before it:
# guard_sha256, guard_bytes, claim, marker. The guard's text comes on stdin when it is asked for.
# shellcheck shell=sh disable=SC2154 # set before
set -u
umask 077
dir=/var/lib/obpipe
file=$dir/guard-$guard_sha256

refuse() {
	printf '%s failed %s\n' "$marker" "$*"
	exit 1
}

for tool in grep tr flock sha256sum timeout setsid setpriv dd sync; do
	command -v $tool >/dev/null || refuse "the command $tool is missing; install it"
done
[ "$(id -u)" = 0 ] || refuse "not root; the credential needs root, or a user with sudo"

# Whatever stands there under the right name is used only when it is the right text.
is_right() {
	[ -f "$file" ] && [ ! -L "$file" ] &&
		[ "$(sha256sum <"$file" 2>/dev/null)" = "$guard_sha256  -" ]
}

receive() {
	head -c "$guard_bytes" >"$file.$$" && chmod 500 "$file.$$" && mv -fT "$file.$$" "$file"
}

if ! is_right; then
	mkdir -p "$dir" || refuse "$dir cannot be made"
	printf '%s send\n' "$marker"
	receive || refuse "$file cannot be written (disk full?)"
	is_right || refuse "$file is not what was sent"
fi
# What attempts left that were ended while they received it.
for part in "$file".*; do
	[ ! -f "$part" ] || [ -d "/proc/${part##*.}" ] || rm -f "$part"
done
exec /bin/sh "$file" "$claim" "$marker"
