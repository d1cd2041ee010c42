# What a host is, a "name value" line each. $1: a folder on the file system to be filled, $2: the
# user OBProxy runs as.
# shellcheck shell=sh
say() { printf '%s %s\n' "$1" "$2"; }

say user "$(id -un)"
say architecture "$(uname -m)"
say kernel "$(uname -sr)"
. /etc/os-release 2>/dev/null && say system "$PRETTY_NAME"
say account "$(id -u "$2" 2>/dev/null || echo none)"
command -v rpm >/dev/null && say rpm "$(rpm --version 2>/dev/null)"
folder=$1
while [ ! -d "$folder" ]; do folder=$(dirname "$folder"); done
say free_kib "$(df -Pk "$folder" | sed -n '2s/^[^ ]* *[0-9]* *[0-9]* *\([0-9]*\).*/\1/p')"
