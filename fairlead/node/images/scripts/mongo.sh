#!/bin/sh
# The entry point of the host image mongo: starts the server as the user mongodb.
set -e

case "${1:-}" in
-*) set -- mongod "$@" ;;
esac
if [ "$1" = mongod ] && [ "$(id -u)" = 0 ]; then
    chown -R mongodb: /data
    exec setpriv --reuid=mongodb --regid=mongodb --clear-groups "$0" "$@"
fi
if [ "$1" = mongod ]; then
    case " $* " in
    *bind_ip*) ;;
    *) set -- "$@" --bind_ip_all ;;
    esac
fi
exec "$@"
