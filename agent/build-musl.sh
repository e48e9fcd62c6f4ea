#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds what the agent uses of musl, for an architecture that Debian 12 has a compiler for and no
# musl-dev beside this machine's own: build-musl.sh ARCHITECTURE TRIPLET. Prints the directory with
# include and lib, which is kept in $XDG_CACHE_HOME/ksniff/musl under a name made of what it is made
# of. The source package is pinned in packaging/dist/sources.txt, and is no other than musl-dev's.
set -eu
arch=$1 triplet=$2
root=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/ksniff/musl
# The names of musl's sources, whatever their directory: all of it would take a minute for each
# architecture. A function that is not here is an undefined reference in the agent's link.
parts="_Exit _Fork __environ __errno_location __init_tls __lctrans __libc_start_main __lock __set_thread_area
    __syscall_cp __tls_get_addr __unmapself _exit abort_lock access bind block clock_gettime clock_nanosleep close default_attr
    defsysinfo dup2 epoll execv execve exit fcntl flock fstat fstatat ftruncate getpid getppid getenv getrandom getsockopt htons inotify ioctl kill libc lseek
    memchr memcmp memcpy memmem memmove memrchr memset mkdirat mmap munmap nanosleep ntohs open openat pipe pipe2 poll ppoll prctl pread
    procfdname pwrite renameat stat pthread_sigmask read recv recvfrom raise recvmmsg recvmsg restore send sendto setns setsockopt
    sigaction sigaddset sigemptyset signal sigprocmask sigtimedwait socket splice stpcpy strcat strchr strchrnul strcmp
    strcpy strerror strlen strncmp strnlen strspn strstr syscall syscall_ret uname unlink unlinkat vdso
    waitpid write"
case $arch in
arm) target=arm-linux-musleabihf cflags= ;;
# gcc's long double there is another than musl's; the agent has none.
ppc64le) target=powerpc64le cflags=-mlong-double-64 ;;
*) target=$arch cflags= ;;
esac

key() {
    { cat "$0" && grep '^musl ' "$root/packaging/dist/sources.txt" && "$triplet-gcc" --version; } | sha256sum | cut -c 1-16
}

# Leaves of the sources what the agent uses, and what is written for one kind of machine alone.
thin() {
    # shellcheck disable=SC2086 # words
    set -- $parts
    wanted=" $* "
    find src -type f -name '*.[csS]' | while read -r file; do
        name=${file##*/}
        case $wanted in *" ${name%.*} "*) continue ;; esac
        case $file in
        src/math/* | src/fenv/* | src/complex/*) ;;
        src/*/*/*) continue ;;
        esac
        rm "$file"
    done
}

build() {
    echo "building the agent's part of musl for $arch ..." >&2
    "$root/packaging/dist/sources" unpack musl "$work/musl"
    cd "$work/musl"
    thin
    CC="$triplet-gcc" AR="$triplet-ar" RANLIB="$triplet-ranlib" CFLAGS="$cflags" \
        ./configure --target="$target" --prefix="$work/out" --disable-shared
    # Small, but for what copies packets.
    make OPTIMIZE_GLOBS='string/memcpy.c string/memmove.c' lib/libc.a lib/crt1.o lib/crti.o lib/crtn.o
    make install-headers
    mkdir "$work/out/lib"
    cp lib/libc.a lib/crt1.o lib/crti.o lib/crtn.o "$work/out/lib"
}

kept=$cache/$arch-$(key)
if [ ! -d "$kept" ]; then
    mkdir -p "$cache"
    "$root/packaging/dist/tidy"
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    exec 8>"$work/held"
    flock 8
    if ! (build) >"$work/log" 2>&1; then
        tail -n 20 "$work/log" >&2
        echo "build-musl.sh: musl could not be built for '$arch'" >&2
        exit 1
    fi
    # Somebody else may have been quicker.
    mv "$work/out" "$kept" 2>/dev/null || [ -d "$kept" ]
fi
touch "$kept" # see packaging/dist/tidy
echo "$kept"
