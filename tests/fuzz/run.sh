#!/bin/sh
# Fuzzes each target for FUZZ_SECONDS (60), or those that are named. What is found lies in tests/fuzz/found.
set -eu
cd "$(dirname "$0")"
seconds=${FUZZ_SECONDS:-60}
host=$(rustc -vV | sed -n 's/^host: //p')
build=${FUZZ_BUILD:-../../target/fuzz}
# The compiler's own instrumentation, by options that a stable one has.
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Ccodegen-units=1
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares"
[ $# -gt 0 ] || set -- names reports messages settings connections
features=
case " $* " in *" connections "*) features="--features connections" ;; esac
# With a target named, the flags are not those of build scripts and macros.
RUSTFLAGS=$(echo $coverage) cargo build --release --locked --target "$host" --target-dir "$build" --bins $features

failed=
for name; do
    corpus=$build/corpus/$name
    seeds=seeds/$name
    case $name in
        messages) seeds=../../schema/messages ;;
        settings) seeds=../../schema/settings ;;
    esac
    words=
    [ ! -f "words/$name.txt" ] || words=-dict=words/$name.txt
    [ -d "$seeds" ] || seeds=
    mkdir -p "$corpus" "found/$name"
    echo "$name: for $seconds s"
    "$build/$host/release/$name" "$corpus" $seeds $words -max_total_time="$seconds" -max_len=8192 -timeout=20 \
        -rss_limit_mb=1024 -artifact_prefix="found/$name/" -print_final_stats=1 2>"$build/$name.log" || failed="$failed $name"
    grep -E "cov: |ERROR|panicked|stat::number_of_executed" "$build/$name.log" | tail -n 3
done
[ -z "$failed" ] || { echo "found something in:$failed (tests/fuzz/found, $build/*.log)"; exit 1; }
