#!/bin/bash
# One task of tests/slurm/run.py: a clock of its own, and its pid where the test finds it. The program takes its place.
set -eu
worker=$SLURM_PROCID
read -ra ahead <<<"$TASK_AHEAD"
read -ra programs <<<"$TASK_HARNESS"
read -ra questions <<<"$TASK_QUESTIONS"
arguments=("$@")
for place in "${!arguments[@]}"; do
  if [ "${arguments[place]}" = --dataset ]; then arguments[place + 1]=${questions[worker]}; fi
done
echo $$ > "$TASK_PIDS/.$worker" && mv "$TASK_PIDS/.$worker" "$TASK_PIDS/$worker"
exec unshare -T --monotonic "${ahead[worker]}" "${programs[worker]}" "${arguments[@]}"
