// A program that Landlock confines: it may connect to one TCP port, may bind to none, and may not
// reach abstract unix names of others (ABI 6).
// sanitizer: skip, a sanitizer needs files
#include "guest.h"
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define LANDLOCK_CREATE_RULESET 444
#define LANDLOCK_ADD_RULE 445
#define LANDLOCK_RESTRICT_SELF 446
#define BIND_TCP 1
#define CONNECT_TCP 2
#define ABSTRACT_UNIX 1
#define RULE_NET_PORT 2

struct ruleset {
    uint64_t file_system, network, scoped;
};
struct port_rule {
    uint64_t allowed, port;
} __attribute__((packed));

static void confine(uint64_t network, uint64_t scoped, int port) {
    struct ruleset rules = {0, network, scoped};
    int fd = MUST(syscall(LANDLOCK_CREATE_RULESET, &rules, sizeof rules, 0));
    if (network) {
        struct port_rule rule = {CONNECT_TCP, port};
        MUST(syscall(LANDLOCK_ADD_RULE, fd, RULE_NET_PORT, &rule, 0));
    }
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    MUST(syscall(LANDLOCK_RESTRICT_SELF, fd, 0));
    close(fd);
}

static struct sockaddr_in at, other;

static void ports(void) {
    confine(BIND_TCP | CONNECT_TCP, 0, ntohs(at.sin_port));
    int one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(one, ADDRESS(at)) == 0);
    one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(one, ADDRESS(other)) < 0 && errno == EACCES);
    struct sockaddr_in any = loopback(7777);
    CHECK(bind(one, ADDRESS(any)) < 0 && errno == EACCES);
}

static void scope(void) {
    confine(0, ABSTRACT_UNIX, 0);
    int one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    CHECK(connect(one, ADDRESS(at)) == 0);
    library_works();
}

int main(int count, char **arguments) {
    int abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1);
    if (abi < 6) {
        printf("no Landlock with scopes: %d\n", abi);
        return 77;
    }
    listener(&at, 8);
    listener(&other, 8);
    if (count == 2 && !strcmp(arguments[1], "ports")) in_child("ports", ports);
    if (count == 2 && !strcmp(arguments[1], "scope")) in_child("scope", scope);
    return faults != 0;
}
