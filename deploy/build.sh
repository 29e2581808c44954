#!/bin/sh
# build.sh AIRFLOW: builds the image airflow_server:AIRFLOW of the commit that is checked out. What is
# not committed is not in it. Called by `make image`. Environment, all optional:
#   BASE          the base image (see deploy/README.md)
#   LAKE_UID, LAKE_GID   who owns the files on mounted folders; else the user who builds
#   SITE          a folder like deploy/site
#   IMAGE         another name for the image
#   BUILD_OPTIONS further options of docker build, such as --network host
set -eu
cd "$(dirname "$0")/.."

fail() {
    printf '%s\n' "$@" >&2
    exit 2
}

known=$(cd deploy/airflow_server && ls ./*.lock | sed 's,^\./\(.*\)-py.*,\1,' | tr '\n' ' ')
AIRFLOW=${1:-}
lock=$(ls deploy/airflow_server/"$AIRFLOW"-py*.lock 2>/dev/null) ||
    fail "There is no lock file of Airflow '$AIRFLOW'; there are $known(deploy/README.md: a new version)"
python=$(echo "$lock" | sed 's/.*-py3\([0-9]*\)\.lock$/3.\1/')
# Debian 12's own Python is 3.11.
[ "$python" = 3.11 ] && base=debian:bookworm-slim || base=python:$python-slim-bookworm
uid=${LAKE_UID:-$(id -u)}
gid=${LAKE_GID:-$(id -g)}
[ "$uid" != 0 ] || fail "You are root, and no container runs as root: set LAKE_UID and LAKE_GID to the user who owns the mounted folders"
commit=$(git rev-parse HEAD)

context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
git archive "$commit" | tar x -C "$context"
for file in ca.crt pip.conf uv.toml; do
    [ ! -f "${SITE:-deploy/site}/$file" ] || cp "${SITE:-deploy/site}/$file" "$context/deploy/site/"
done
# Proxies are Docker's own arguments: it keeps them out of the history.
# shellcheck disable=SC2086
docker build -f "$context/deploy/airflow_server/Dockerfile" -t "${IMAGE:-airflow_server:$AIRFLOW}" \
    --build-arg HTTP_PROXY --build-arg HTTPS_PROXY --build-arg NO_PROXY \
    --build-arg BASE="${BASE:-$base}" --build-arg AIRFLOW="$AIRFLOW" \
    --build-arg UID="$uid" --build-arg GID="$gid" --build-arg COMMIT="$commit" \
    ${BUILD_OPTIONS:-} "$context"
