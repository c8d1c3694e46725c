#!/bin/sh
# Prints the first interpreter of the wanted versions that runs: find_python.sh 3.13 3.12 3.11
# PYTHON overrides the search. One that can make virtual environments is preferred to one that cannot (Debian splits
# `venv` off), and versions that pyenv holds without having activated them are found too.
set -u

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
makes_environments() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

candidates() {
    if [ -n "${PYTHON:-}" ]; then echo "$PYTHON"; return; fi
    for wanted in "$@"; do echo "python$wanted"; done
    echo python3
    for wanted in "$@"; do ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$wanted".*/bin/python 2>/dev/null; done
}

fallback=
for candidate in $(candidates "$@"); do
    version=$(version_of "$candidate") || continue
    case " $* " in *" $version "*) ;; *) continue ;; esac
    if makes_environments "$candidate"; then echo "$candidate"; exit 0; fi
    [ -n "$fallback" ] || fallback=$candidate
done
if [ -n "$fallback" ]; then echo "$fallback"; exit 0; fi
if [ -n "${PYTHON:-}" ]; then
    echo "PYTHON=$PYTHON does not run, or is none of: $*." >&2
else
    echo "No Python found among: $*. Install one, or name it: make PYTHON=/path/to/python3" >&2
fi
exit 1
