#!/bin/bash
# usage: test.sh PYTEST [ARGUMENT...]
# All tests, in two processes beside each other: most of them wait for something most of the time.
# Each process sees to what it leaves behind by name; what bears no name is compared at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
pytest=$1
shift
python=${pytest%/*}/python
scratch=$(mktemp --directory)
beside=
trap 'if [ -n "$beside" ]; then kill "$beside" 2>/dev/null || true; fi; rm -rf "$scratch"' EXIT

one=(tests/unit)
two=()
number=0
for file in tests/integration/test_*.py; do
    # the unit tests take as long as a sixth of the others
    if ((number++ % 9 < 4)); then one+=("$file"); else two+=("$file"); fi
done

export PODRUN_TEST_BESIDE=1
"$python" -m tests.leaks save "$scratch/before"
"$pytest" "$@" "${two[@]}" >"$scratch/log" 2>&1 &
beside=$!
status=0
"$pytest" "$@" "${one[@]}" || status=$?
wait "$beside" || status=$?
beside=
cat "$scratch/log"
"$python" -m tests.leaks check "$scratch/before" || status=$?
exit "$status"
