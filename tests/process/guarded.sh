#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Correct programs do the same with guarded blocks as without: the output is the
# same, and tcm writes no line.
set -u

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
failed=0

# Every block is a sample, and samples are guarded while a slot is available.
compare() {
  slots=$1
  shift
  "$@" >"$work/plain" 2>&1
  expected=$?
  LD_PRELOAD=$TEST_RELEASE_SO TCM_PROFILE_BYTES=1 TCM_GUARD_SAMPLES=1 \
    TCM_GUARD_SLOTS=$slots TCM_GUARD_REPORT=1 "$@" >"$work/guarded" 2>&1
  status=$?
  if [ $status -eq $expected ] && cmp -s "$work/plain" "$work/guarded"; then
    echo "ok: $slots slots: $1"
  else
    echo "FAIL: $slots slots: $1: status $status, not $expected"
    diff "$work/plain" "$work/guarded" | head -n 20
    failed=1
  fi
}

cat >"$work/threads.py" <<'EOF'
import json
import threading

def work(n):
    rows = [json.loads(json.dumps({"a": [i] * 9})) for i in range(n)]
    done.append(sum(len(row["a"]) for row in rows))

done = []
threads = [threading.Thread(target=work, args=(1500,)) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(done)
EOF

for slots in 1 64 1024; do
  compare "$slots" ls -l /usr/
  compare "$slots" sort /etc/passwd
  if command -v python3 >/dev/null; then
    compare "$slots" python3 "$work/threads.py"
  fi
done
exit $failed
