/* Looks names up by whichever C library it is built with, and prints what a program would get.

   lookup any|4|6 NAME     getaddrinfo: the canonical name, then the addresses, sorted, a line each
   lookup name ADDRESS     getnameinfo
   lookup TYPE NAME        res_search: the records of the answer, sorted, as `NAME TYPE DATA`
   Several questions may follow one another; before each answer stands a line `> QUESTION`. A failure is `error WHY`. */

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define MOST 2048
static char lines[MOST][1400];
static int count;

static void add(const char *text) {
    if (count < MOST) snprintf(lines[count++], sizeof lines[0], "%s", text);
}

static int compare(const void *a, const void *b) { return strcmp(a, b); }

static void flush(void) {
    qsort(lines, count, sizeof lines[0], compare);
    for (int n = 0; n < count; n++) puts(lines[n]);
    count = 0;
}

static const char *why(int code) {
    switch (code) {
    case EAI_NONAME: return "NONAME";
    case EAI_AGAIN: return "AGAIN";
    case EAI_FAIL: return "FAIL";
    case -5: return "NODATA"; /* EAI_NODATA, which not every header has */
    default: return gai_strerror(code);
    }
}

static void addresses(const char *family, const char *name) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME}, *found, *at;
    hints.ai_family = *family == '4' ? AF_INET : *family == '6' ? AF_INET6 : AF_UNSPEC;
    int code = getaddrinfo(name, "80", &hints, &found);
    if (code) {
        printf("error %s\n", why(code));
        return;
    }
    printf("%s\n", found->ai_canonname ? found->ai_canonname : "-");
    for (at = found; at; at = at->ai_next) {
        char text[100];
        getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, 0, 0, NI_NUMERICHOST);
        add(text);
    }
    flush();
    freeaddrinfo(found);
}

static void reverse(const char *address) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found;
    char text[NI_MAXHOST];
    int code = getaddrinfo(address, 0, &hints, &found);
    if (!code) code = getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, 0, 0, NI_NAMEREQD);
    if (code) printf("error %s\n", why(code));
    else puts(text);
}

static const struct { const char *name; int code; } types[] = {
    {"A", 1}, {"NS", 2}, {"CNAME", 5}, {"SOA", 6}, {"PTR", 12}, {"TXT", 16}, {"AAAA", 28}, {"SRV", 33},
};

static void data(const unsigned char *message, int size, ns_rr *record, char *out, size_t room) {
    const unsigned char *raw = ns_rr_rdata(*record);
    char name[NS_MAXDNAME] = "";
    switch (ns_rr_type(*record)) {
    case 1: inet_ntop(AF_INET, raw, out, room); return;
    case 28: inet_ntop(AF_INET6, raw, out, room); return;
    case 16: snprintf(out, room, "%.*s", raw[0], raw + 1); return;
    case 33:
        dn_expand(message, message + size, raw + 6, name, sizeof name);
        snprintf(out, room, "%d %d %d %s", raw[0] << 8 | raw[1], raw[2] << 8 | raw[3], raw[4] << 8 | raw[5], name);
        return;
    default:
        dn_expand(message, message + size, raw, name, sizeof name);
        snprintf(out, room, "%s", name);
    }
}

static void records(const char *type, const char *name) {
    static unsigned char message[65536];
    unsigned n = 0;
    while (n < sizeof types / sizeof *types && strcasecmp(types[n].name, type)) n++;
    if (n == sizeof types / sizeof *types) exit(2);
    int size = res_search(name, 1, types[n].code, message, sizeof message);
    if (size < 0) {
        printf("error %s\n", h_errno == HOST_NOT_FOUND ? "NONAME" : h_errno == NO_DATA ? "NODATA"
                             : h_errno == TRY_AGAIN ? "AGAIN" : "FAIL");
        return;
    }
    ns_msg parsed;
    if (ns_initparse(message, size, &parsed)) {
        puts("error unreadable");
        return;
    }
    for (int i = 0; i < ns_msg_count(parsed, ns_s_an); i++) {
        ns_rr record;
        char text[1400] = "", what[1100] = "";
        const char *kind = "?";
        if (ns_parserr(&parsed, ns_s_an, i, &record)) {
            puts("error unreadable");
            return;
        }
        for (unsigned t = 0; t < sizeof types / sizeof *types; t++)
            if (types[t].code == ns_rr_type(record)) kind = types[t].name;
        data(message, size, &record, what, sizeof what);
        snprintf(text, sizeof text, "%s %s %s", ns_rr_name(record), kind, what);
        add(text);
    }
    if (!count && ns_msg_getflag(parsed, ns_f_rcode) == 3) add("error NONAME");
    if (!count) add("error NODATA");
    flush();
}

int main(int argc, char **argv) {
    if (argc < 3 || argc % 2 == 0) return 2;
    for (int n = 1; n < argc; n += 2) {
        printf("> %s %s\n", argv[n], argv[n + 1]);
        if (!strcmp(argv[n], "any") || !strcmp(argv[n], "4") || !strcmp(argv[n], "6")) addresses(argv[n], argv[n + 1]);
        else if (!strcmp(argv[n], "name")) reverse(argv[n + 1]);
        else records(argv[n], argv[n + 1]);
    }
    return 0;
}
