#!/bin/sh
# The entry point of the host images mysql and mariadb: makes the database at the first start, from the variables
# MYSQL_* or MARIADB_* and the files in /docker-entrypoint-initdb.d, and starts the server as the user mysql.
set -e

setting() { # prints MARIADB_NAME or MYSQL_NAME, or the contents of the file that NAME_FILE names
    for prefix in MARIADB MYSQL; do
        eval "value=\${${prefix}_$1:-} file=\${${prefix}_$1_FILE:-}"
        if [ -n "$value" ]; then
            printf '%s' "$value"
            return
        elif [ -n "$file" ]; then
            cat "$file"
            return
        fi
    done
}

quoted() { # prints a text as SQL has it
    printf "'%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"
}

case "${1:-}" in
-*) set -- mariadbd "$@" ;;
esac
case $1 in
mysqld | mariadbd) ;;
*) exec "$@" ;;
esac

data=/var/lib/mysql
if [ "$(id -u)" = 0 ]; then
    mkdir -p "$data"
    chown -R mysql: "$data" /run/mysqld
    exec setpriv --reuid=mysql --regid=mysql --clear-groups "$0" "$@"
fi

if [ ! -d "$data/mysql" ]; then
    password=$(setting ROOT_PASSWORD)
    empty=$(setting ALLOW_EMPTY_PASSWORD)$(setting ALLOW_EMPTY_ROOT_PASSWORD)
    if [ -n "$(setting RANDOM_ROOT_PASSWORD)" ]; then
        password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
        echo "generated root password: $password"
    elif [ -z "$password$empty" ]; then
        echo "Error: root has no password: set MYSQL_ROOT_PASSWORD, MYSQL_RANDOM_ROOT_PASSWORD=1" \
            "or MYSQL_ALLOW_EMPTY_PASSWORD=1" >&2
        exit 1
    fi
    mariadb-install-db --datadir="$data" --skip-test-db --auth-root-authentication-method=normal >/dev/null
    mariadbd --skip-networking --socket=/run/mysqld/first.sock &
    server=$!
    until mariadb-admin --socket=/run/mysqld/first.sock -u root ping >/dev/null 2>&1; do
        kill -0 "$server"
        sleep 0.05
    done
    database=$(setting DATABASE)
    user=$(setting USER)
    {
        if [ -n "$database" ]; then
            printf '%s\n' "CREATE DATABASE IF NOT EXISTS \`$database\`;"
        fi
        if [ -n "$user" ]; then
            printf '%s\n' "CREATE USER $(quoted "$user")@'%' IDENTIFIED BY $(quoted "$(setting PASSWORD)");"
            [ -z "$database" ] || printf '%s\n' "GRANT ALL ON \`$database\`.* TO $(quoted "$user")@'%';"
        fi
        printf '%s\n' "CREATE USER 'root'@'%' IDENTIFIED BY $(quoted "$password");"
        printf '%s\n' "GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;"
    } | mariadb --socket=/run/mysqld/first.sock -u root
    for file in /docker-entrypoint-initdb.d/*; do
        case $file in
        *.sh) if [ -x "$file" ]; then "$file"; else . "$file"; fi ;;
        *.sql) mariadb --socket=/run/mysqld/first.sock -u root ${database:+"$database"} <"$file" ;;
        *.sql.gz) gunzip -c "$file" | mariadb --socket=/run/mysqld/first.sock -u root ${database:+"$database"} ;;
        esac
    done
    printf '%s\n' "ALTER USER 'root'@'localhost' IDENTIFIED BY $(quoted "$password");" |
        mariadb --socket=/run/mysqld/first.sock -u root
    kill "$server"
    wait "$server" || true
fi
exec "$@"
