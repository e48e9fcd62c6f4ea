#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a static, stripped agent against musl: build-agent.sh PROGRAM ARCHITECTURE VERSION OUT SOURCE...
# PROGRAM: ksniff-agent or ksniff-recorder.
# ARCHITECTURE: amd64, arm64, arm, riscv64, ppc64le or s390x. Needs Debian's gcc for it, and the
# kernel's headers; musl is Debian's musl-dev for amd64 and arm64, and built for the others from the
# same source package (build-musl.sh). Environment: AGENT_CC, a compiler; AGENT_DEFINES, of the
# preprocessor.
set -eu
# Seen from here: a path that is the same wherever the source is lets ccache know what it has.
root=$(realpath --relative-to=. "$(dirname "$0")/..")
program=$1 arch=$2 version=$3 out=$4
shift 4
flags=
case $arch in
amd64) machine=x86_64 triplet=x86_64-linux-gnu ;;
arm64) machine=aarch64 triplet=aarch64-linux-gnu flags=-flto ;;
# ARMv7 with its floating point unit, as Debian's compiler has it.
arm) machine=armv7l triplet=arm-linux-gnueabihf ;;
riscv64) machine=riscv64 triplet=riscv64-linux-gnu ;;
# gcc's long double there is another than musl's; the agent has none. Its addresses fit into a small table.
# The largest of all has no room for the relay (common/relay.h); the client knows (src/method/helper_pods.c).
ppc64le) machine=ppc64le triplet=powerpc64le-linux-gnu flags="-DAGENT_NO_RELAY -mlong-double-64 -mcmodel=small -fno-inline-small-functions -fno-jump-tables -flto" ;;
s390x) machine=s390x triplet=s390x-linux-gnu flags="-fno-inline-small-functions -fno-jump-tables -flto" ;;
*)
    echo "build-agent.sh: no such architecture: $arch" >&2
    exit 2
    ;;
esac
if [ "$(uname -m)" = "$machine" ]; then
    cc=${AGENT_CC:-gcc}
    kernel=/usr/include
    multiarch=/usr/include/$triplet
else
    cc=${AGENT_CC:-$triplet-gcc}
    kernel=/usr/$triplet/include
    multiarch=$kernel
fi
case $arch in
amd64 | arm64)
    headers=/usr/include/$machine-linux-musl
    lib=/usr/lib/$machine-linux-musl
    ;;
*)
    musl=$("$root/agent/build-musl.sh" "$arch" "$triplet")
    headers=$musl/include
    lib=$musl/lib
    ;;
esac
# Where ccache is, the same source is compiled once, whatever build it is for.
ccache=
if command -v ccache >/dev/null; then ccache=ccache; fi
own=$("$cc" -print-file-name=include)
objects=$out.objects
mkdir -p "$objects"
trap 'rm -rf "$objects"' EXIT

# What every packet passes is built for speed, the rest to be small; all of it for ppc64le and s390x,
# whose code is the largest, and for arm64 what a recorder looks at blocks with.
optimize() {
    case $arch/${1##*/} in
    ppc64le/* | s390x/*) echo -Oz ;;
    arm64/lane.c | arm64/segment.c | arm64/sieve.c) echo -Os ;;
    */bpf.c | */feedback.c | */flow.c | */headers.c | */lane.c | */link.c | */output.c | */own.c | */segment.c | */sieve.c | */source.c | */tap.c) echo -O2 ;;
    *) echo -Os ;;
    esac
}

# musl's headers come first; of the system's include directory only the kernel's are ever reached.
for source; do
    # shellcheck disable=SC2086 # words
    $ccache "$cc" $flags -std=gnu11 "$(optimize "$source")" -Wall -Wextra -Werror -Wshadow -Wno-pedantic \
        -D_GNU_SOURCE -DKSNIFF_VERSION="\"$version\"" -DAGENT_PROGRAM="\"$program\"" -I"$root" ${AGENT_DEFINES:-} \
        -nostdinc -isystem "$headers" -isystem "$own" \
        -idirafter "$multiarch" -idirafter "$kernel" \
        -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-unwind-tables \
        -fno-stack-protector -fno-pie -fno-strict-aliasing \
        -c -o "$objects/$(basename "$source" .c).o" "$source"
done
# The common page size says how far the linker may push the data to have fewer pages: it shall not.
# shellcheck disable=SC2086 # words
"$cc" $flags -nostdlib -static -no-pie -s \
    -Wl,--gc-sections -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-z,common-page-size=256 \
    -o "$out" "$lib/crt1.o" "$lib/crti.o" "$objects"/*.o -L"$lib" -lc -lgcc -lc "$lib/crtn.o"
