#!/bin/sh
# Prints the newest Python from 3.11 to 3.13 that runs here, or, with --all, one of
# every minor version, newest first. PYTHON=... in the environment overrides the search.
set -u
if [ -n "${PYTHON:-}" ]; then
    echo "$PYTHON"
    exit 0
fi
pyenv_root=$(pyenv root 2>/dev/null || true)
found=1
for version in 3.13 3.12 3.11; do
    for candidate in "python$version" "$pyenv_root"/versions/"$version".*/bin/python; do
        # A pyenv shim lies on the path even when its version is not switched on.
        if "$candidate" -c 'import ensurepip, ssl, venv' >/dev/null 2>&1; then
            echo "$candidate"
            found=0
            [ "${1:-}" = --all ] || exit 0
            break
        fi
    done
done
[ "$found" = 0 ] || echo "no Python from 3.11 to 3.13 found; set PYTHON=PATH" >&2
exit $found
