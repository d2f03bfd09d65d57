#!/bin/sh
# The entry point of the host image haproxy: keeps the server in the foreground, with a master that reloads on SIGUSR2.
set -e

case "${1:-}" in
-*) set -- haproxy "$@" ;;
esac
if [ "$1" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
