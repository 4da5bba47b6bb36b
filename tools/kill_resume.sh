#!/usr/bin/env bash
# Kills a run at random moments, resumes it each time, and compares the results with those of an unbroken run.
#
#   tools/kill_resume.sh REDMASK RECIPE [KILLS] [SEED]
#
# REDMASK is the binary, RECIPE a recipe without profiles or NAME:PROFILE. The run is killed KILLS times (10 by default)
# by SIGKILL after a random part of the unbroken run's time; if it finishes before that, the next round starts over in an
# empty folder until the kills are used up. Every round must end with the same results.json, byte for byte.
set -euo pipefail

redmask=$(realpath "$1")
# Often enough that kills meet trainings between checkpoints and after them.
export REDMASK_CHECKPOINT_SECONDS=${REDMASK_CHECKPOINT_SECONDS:-0.2}
recipe=$2
kills=${3:-10}
RANDOM=${4:-1}

profile=()
if [[ $recipe == *:* ]]; then
  profile=(--profile "${recipe#*:}")
  recipe=${recipe%%:*}
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

start() {
  "$redmask" --quiet run "$recipe" "${profile[@]}" --out "$1" --format json >"$work/stdout" 2>"$work/stderr"
}

begin=$(date +%s%N)
start "$work/unbroken"
milliseconds=$((($(date +%s%N) - begin) / 1000000))
echo "unbroken: $milliseconds ms"

killed=0
round=0
while ((killed < kills)); do
  round=$((round + 1))
  out=$work/broken-$round
  while true; do
    if ((killed < kills)); then
      delay=$((RANDOM * milliseconds / 32768 + 20))
      "$redmask" --quiet run "$recipe" "${profile[@]}" --out "$out" --format json >"$work/stdout" 2>"$work/stderr" &
      pid=$!
      sleep "$((delay / 1000)).$(printf '%03d' $((delay % 1000)))"
      if kill -9 "$pid" 2>/dev/null; then
        wait "$pid" 2>/dev/null || true
        killed=$((killed + 1))
        echo "kill $killed after $delay ms, left: $(find "$out" -name '*.partial' 2>/dev/null | wc -l) partial"
        continue
      fi
      wait "$pid"
      break
    fi
    start "$out"
    break
  done
  if ! cmp "$work/unbroken/results.json" "$out/results.json"; then
    echo "round $round: results differ" >&2
    exit 1
  fi
  leftovers=$(find "$out" \( -name '*.partial' -o -name '*.tmp' \) | wc -l)
  if ((leftovers > 0)); then
    echo "round $round: $leftovers partial files left" >&2
    find "$out" \( -name '*.partial' -o -name '*.tmp' \) >&2
    exit 1
  fi
done
echo "$killed kills in $round round(s): results.json is the same"
