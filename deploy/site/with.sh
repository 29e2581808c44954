#!/bin/sh
# with.sh COMMAND…: runs it with what this folder holds. Called in build stages of images.
set -eu
here=$(dirname "$0")
[ ! -f "$here/pip.conf" ] || export PIP_CONFIG_FILE="$here/pip.conf"
[ ! -f "$here/uv.toml" ] || export UV_CONFIG_FILE="$here/uv.toml"
[ ! -f "$here/ca.crt" ] || export SSL_CERT_FILE="$here/ca.crt" PIP_CERT="$here/ca.crt"
exec "$@"
