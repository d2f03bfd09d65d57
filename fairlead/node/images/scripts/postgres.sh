#!/bin/sh
# The entry point of the host image postgres: makes the database at the first start, from the variables POSTGRES_* and
# the files in /docker-entrypoint-initdb.d, and starts the server as the user postgres.
set -e

from_file() { # gives a variable the contents of the file that VARIABLE_FILE names
    eval "file=\${${1}_FILE:-}"
    [ -z "$file" ] || eval "$1=\$(cat \"\$file\")"
}

case "${1:-}" in
-*) set -- postgres "$@" ;;
esac
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA"
    chown -R postgres: "$PGDATA" /run/postgresql
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    for name in PASSWORD USER DB INITDB_ARGS HOST_AUTH_METHOD; do
        from_file "POSTGRES_$name"
    done
    user=${POSTGRES_USER:-postgres}
    database=${POSTGRES_DB:-$user}
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        echo "Error: the superuser has no password: set POSTGRES_PASSWORD, or POSTGRES_HOST_AUTH_METHOD=trust" >&2
        exit 1
    fi
    mkdir -p "$PGDATA"
    chmod 700 "$PGDATA"
    secret=$(mktemp)
    printf '%s\n' "$POSTGRES_PASSWORD" >"$secret"
    eval "initdb --username=\"\$user\" --auth-local=trust ${POSTGRES_PASSWORD:+--pwfile=\"$secret\"} $POSTGRES_INITDB_ARGS"
    rm "$secret"
    echo "host all all all ${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
    if [ "$database" != postgres ]; then
        echo 'CREATE DATABASE :"database";' | psql -v ON_ERROR_STOP=1 -U "$user" -d postgres -v database="$database" -q
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$file" ;;
        *.sql.gz) gunzip -c "$file" | psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" ;;
        esac
    done
    pg_ctl -D "$PGDATA" -m fast -w stop
fi
exec "$@"
