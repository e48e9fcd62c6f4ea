# Runs in the target container, as sh -c SCRIPT ksniff MODE NAME PATH... -- ARGUMENT...
# Takes an executable from standard input, runs it with the ARGUMENTs, and leaves nothing behind.
#
# MODE agent: the executable watches standard input itself, removes its file itself, and takes the
# place of this shell: a shell that is killed would leave it to a process 1 that may reap nobody.
# MODE tcpdump: it does not; this does.
# MODE keep: as agent, but PATH is the file itself, which stays and is run at once if it is there
# already ("ksniff ready"); it appears there whole.
# NAME: the file's name where a PATH is a directory. PATHs are tried in turn.
# Says "ksniff HOW PLACE MACHINE" when it is ready, PLACE being the number of the PATH; then standard input brings the size in bytes as a line
# and the executable, as bytes (HOW is head or dd) or as lines for printf, with a dot as the last.
# Exit codes: 80 no PATH can be written, 81 the executable did not come whole, 82 nothing can be
# executed from where it can be written, 83 there is no chmod; else what the executable ends with.
#
# Only what POSIX sh has by itself is taken for granted; comments and indents are cut at build time.
umask 077
mode=$1 name=$2 code=80 f='' place=0
shift 2
if [ "$mode" = keep ]; then
    keep=$1
    shift 2
    if [ -x "$keep" ]; then
        echo "ksniff ready"
        exec "$keep" "$@"
    fi
    set -- "$keep.$$" -- "$@"
fi
command -v chmod >/dev/null 2>&1 || exit 83
while [ "$1" != -- ]; do
    t=$1
    shift
    [ -z "$f" ] || continue
    place=$((place + 1))
    [ -d "$t" ] && t=${t%/}/$name
    [ -e "$t" ] && continue
    { echo 'exit 7' >"$t"; } 2>/dev/null || continue
    chmod 700 "$t" 2>/dev/null
    "$t" >/dev/null 2>&1 </dev/null
    # 126: the mount has noexec. A shell runs a file that is no program as a script.
    if [ $? -ne 126 ]; then
        f=$t
    else
        code=82
        rm -f "$t"
    fi
done
shift
[ -n "$f" ] || exit $code
how="printf"
command -v dd >/dev/null 2>&1 && how="dd"
command -v head >/dev/null 2>&1 && how="head"
echo "ksniff $how $place $(uname -m 2>/dev/null)"
code=81
if read -r size; then
    # shellcheck disable=SC2059 # the lines are made for printf: octal escapes alone
    case $how in
    head) head -c "$size" >"$f" ;;
    dd) dd bs=1 count="$size" of="$f" 2>/dev/null ;;
    printf) while IFS= read -r line && [ "$line" != . ]; do printf "$line"; done >"$f" ;;
    esac
    if [ "$(wc -c 2>/dev/null <"$f" || echo "$size")" -eq "$size" ]; then
        if [ "$mode" = agent ]; then
            # A failed exec would end this shell before it has removed the file.
            "$f" version >/dev/null </dev/null && exec "$f" "$@" -u "$f"
            code=$?
        elif [ "$mode" = keep ]; then
            # Another capture may have brought one just now, which "hold" has become.
            { ln "$f" "$keep" 2>/dev/null || [ -x "$keep" ] || mv "$f" "$keep"; } &&
                rm -f "$f" && exec "$keep" "$@"
            code=$?
        else
            exec 3<&0
            "$f" "$@" 3<&- </dev/null &
            p=$!
            (
                while read -r line <&3 && [ "$line" != q ]; do :; done
                kill "$p"
                # It writes what it has for as long as somebody waits for it.
                while read -r line <&3; do :; done
                sleep 2
                kill -9 "$p"
            ) 2>/dev/null >/dev/null &
            r=$!
            exec 3<&-
            wait "$p"
            code=$?
            kill "$r" 2>/dev/null
        fi
    fi
fi
rm -f "$f" 2>/dev/null
exit $code
