#!/bin/sh
# The entry point of the host image redis: starts the server as the user redis, for clients of the whole cluster.
set -e

case "${1:-}" in
-* | *.conf) set -- redis-server "$@" ;;
esac
if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
    chown redis: /data
    exec setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi
if [ "$1" = redis-server ]; then
    case " $* " in
    *protected-mode*) ;;
    *) grep -qs '^protected-mode' "${2:-/nonexistent}" || set -- "$@" --protected-mode no ;;
    esac
fi
exec "$@"
