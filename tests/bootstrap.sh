#!/bin/sh
# Install the Debian packages that are missing, as root or through sudo.
#     bootstrap.sh build test figures      any of these parts
# Says nothing when everything is there.
set -eu

packages() {
    cat <<END
build pkg-config tells the build where the libraries are
build libsqlite3-dev the results database
build libyaml-dev reads sweep files
build libcjson-dev reads checkpoint headers
build libmd-dev SHA-256, for content keys
test libcmocka-dev the unit tests
test g++ compiles the CUDA kernels for the CPU
test gnuplot-nox draws the figures that tests look at
test fonts-liberation the fonts of the figures
test poppler-utils reads the text of a figure's PDF
test valgrind counts memory traffic independently of the program
test sqlite3 reads databases as a user would
figures gnuplot-nox draws the figures
figures fonts-liberation the fonts of the figures
END
}

wanted() {
    packages | while read -r part package why; do
        case " $* " in *" $part "*) echo "$package $why" ;; esac
    done | sort -u -k 1,1
}

# pkg-config is a transitional package: pkgconf alone serves as well.
have() {
    if [ "$1" = pkg-config ]; then
        command -v pkg-config > /dev/null 2>&1
    else
        dpkg-query -W -f '${Status}' "$1" 2> /dev/null | grep -q '^install ok installed'
    fi
}

if ! command -v dpkg-query > /dev/null 2>&1 || ! command -v apt-get > /dev/null 2>&1; then
    command -v pkg-config > /dev/null 2>&1 && pkg-config --exists sqlite3 yaml-0.1 libcjson libmd && exit 0
    echo 'This is not a Debian system: install pkg-config and the development files of SQLite,' \
        'libyaml, cJSON and libmd (for tests also cmocka, sqlite3, poppler-utils and valgrind; for figures' \
        'gnuplot and the Liberation fonts).' >&2
    exit 1
fi

missing=$(wanted "$@" | while read -r package why; do
    have "$package" || echo "$package $why"
done)
[ -n "$missing" ] || exit 0

echo 'Installing Debian packages that are missing:'
echo "$missing" | while read -r package why; do printf '  %-18s %s\n' "$package" "$why"; done
names=$(echo "$missing" | cut -d ' ' -f 1 | tr '\n' ' ')

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo > /dev/null 2>&1; then
        echo "Not root and no sudo: ask an administrator to run  apt-get install $names" >&2
        exit 1
    fi
    as_root=sudo
fi
install() {
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends $names > "$log" 2>&1
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Package lists may be absent or old; they are fetched only if the first try fails.
if ! install; then
    echo '  (updating the package lists first)'
    $as_root apt-get update -qq > "$log" 2>&1 || true
    if ! install; then
        tail -n 20 "$log" >&2
        echo "apt-get could not install: $names" >&2
        exit 1
    fi
fi
