#!/bin/sh
# The entry point of the host image curl: options and addresses are curl's.
set -e

command -v "${1:-}" >/dev/null 2>&1 || set -- curl "$@"
exec "$@"
