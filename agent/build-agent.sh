#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a static, stripped agent against musl: build-agent.sh ARCHITECTURE VERSION OUT SOURCE...
# ARCHITECTURE: amd64 or arm64. Needs gcc for it and Debian's musl-dev,
# of the other architecture where it is not this machine's. Environment: AGENT_CC, a compiler;
# AGENT_DEFINES, of the preprocessor.
set -eu
root=$(dirname "$0")/..
arch=$1 version=$2 out=$3
shift 3
case $arch in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
*)
    echo "build-agent.sh: no such architecture: $arch" >&2
    exit 2
    ;;
esac
if [ "$(uname -m)" = "$machine" ]; then
    cc=${AGENT_CC:-gcc}
    kernel=/usr/include
    multiarch=/usr/include/$machine-linux-gnu
else
    cc=${AGENT_CC:-$machine-linux-gnu-gcc}
    kernel=/usr/$machine-linux-gnu/include
    multiarch=$kernel
fi
headers=/usr/include/$machine-linux-musl
lib=/usr/lib/$machine-linux-musl
objects=$out.objects
mkdir -p "$objects"
trap 'rm -rf "$objects"' EXIT

# What every packet passes is built for speed, the rest to be small.
optimize() {
    case ${1##*/} in
    bpf.c | capture.c | feedback.c | flow.c | headers.c | link.c | output.c | own.c | source.c) echo -O2 ;;
    *) echo -Os ;;
    esac
}

# musl's headers come first; of the system's include directory only the kernel's are ever reached.
for source; do
    # shellcheck disable=SC2086 # words
    "$cc" -std=gnu11 "$(optimize "$source")" -Wall -Wextra -Werror -Wshadow -Wno-pedantic \
        -D_GNU_SOURCE -DKSNIFF_VERSION="\"$version\"" -I"$root" ${AGENT_DEFINES:-} \
        -nostdinc -isystem "$headers" -isystem "$("$cc" -print-file-name=include)" \
        -idirafter "$multiarch" -idirafter "$kernel" \
        -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
        -fno-stack-protector -fno-pie -fno-strict-aliasing \
        -c -o "$objects/$(basename "$source" .c).o" "$source"
done
"$cc" -nostdlib -static -no-pie -s \
    -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro \
    -o "$out" "$lib/crt1.o" "$lib/crti.o" "$objects"/*.o -L"$lib" -lc -lgcc "$lib/crtn.o"
