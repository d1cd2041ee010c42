# What an uploaded package file is. $1: the file. Prints the package's full name, then its paths;
# exit 3: it is no package (rpm would read a text file as a list of packages), 4: it is damaged.
# shellcheck shell=sh
set -u
[ "$(od -An -tx1 -N4 "$1" | tr -d ' \n')" = edabeedb ] || exit 3
rpm -K --nosignature "$1" >/dev/null 2>&1 || exit 4
rpm -qp --qf '%{NAME}-%{VERSION}-%{RELEASE}.%{ARCH}\n[%{FILENAMES}\n]' "$1" 2>/dev/null || exit 4
