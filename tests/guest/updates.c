// Two threads change one socket at once: each sets an option of its own and reads it back, for
// every pair of options; and options are set while the socket is connected and shut down. Nothing
// that was set is lost.
#include "guest.h"
#include <pthread.h>
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define ROUNDS 10
#define CONNECTS 150

struct option {
    const char *name;
    int level, number, values[2];
};
#define OPTION(level, name, a, b) {#name, level, name, {a, b}}

static const struct option stream[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR, 0, 1),
    OPTION(SOL_SOCKET, SO_REUSEPORT, 0, 1),
    OPTION(SOL_SOCKET, SO_KEEPALIVE, 0, 1),
    OPTION(SOL_SOCKET, SO_OOBINLINE, 0, 1),
    OPTION(SOL_SOCKET, SO_BROADCAST, 0, 1),
    OPTION(SOL_SOCKET, SO_PRIORITY, 2, 3),
    OPTION(SOL_SOCKET, SO_RCVLOWAT, 1, 2),
    OPTION(IPPROTO_TCP, TCP_NODELAY, 0, 1),
    OPTION(IPPROTO_TCP, TCP_CORK, 0, 1),
    OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 10, 20),
    OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 10, 20),
    OPTION(IPPROTO_TCP, TCP_KEEPCNT, 2, 3),
    OPTION(IPPROTO_TCP, TCP_SYNCNT, 2, 3),
    OPTION(IPPROTO_TCP, TCP_LINGER2, 5, 6),
    OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 500, 600),
    OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 5000, 6000),
    OPTION(IPPROTO_TCP, TCP_DEFER_ACCEPT, 1, 3),
    OPTION(IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0, 1),
    OPTION(IPPROTO_TCP, TCP_INQ, 0, 1),
    OPTION(IPPROTO_IP, IP_TOS, 0x10, 0x20),
    OPTION(IPPROTO_IP, IP_TTL, 10, 20),
    OPTION(IPPROTO_IP, IP_PKTINFO, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVTTL, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVTOS, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVERR, 0, 1),
    OPTION(IPPROTO_IP, IP_MTU_DISCOVER, 0, 2),
    OPTION(IPPROTO_IP, IP_FREEBIND, 0, 1),
    OPTION(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0, 1),
};
static const struct option datagram[] = {
    OPTION(SOL_SOCKET, SO_REUSEADDR, 0, 1),
    OPTION(SOL_SOCKET, SO_BROADCAST, 0, 1),
    OPTION(SOL_SOCKET, SO_NO_CHECK, 0, 1),
    OPTION(IPPROTO_IP, IP_TTL, 10, 20),
    OPTION(IPPROTO_IP, IP_TOS, 0x11, 0x22),
    OPTION(IPPROTO_IP, IP_PKTINFO, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVTTL, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVTOS, 0, 1),
    OPTION(IPPROTO_IP, IP_RECVERR, 0, 1),
    OPTION(IPPROTO_IP, IP_MULTICAST_TTL, 3, 4),
    OPTION(IPPROTO_IP, IP_MULTICAST_LOOP, 0, 1),
    OPTION(IPPROTO_UDP, UDP_SEGMENT, 100, 200),
};

static int shared;

static void set(const struct option *option, int which) {
    int value = option->values[which];
    if (setsockopt(shared, option->level, option->number, &value, sizeof value) < 0) {
        fault("setting %s: %s", option->name, strerrorname_np(errno));
    }
}
static void check(const struct option *option, int which, const char *when) {
    int value = 0;
    socklen_t len = sizeof value;
    MUST(getsockopt(shared, option->level, option->number, &value, &len));
    if (value != option->values[which]) {
        fault("%s %s: %d instead of %d", option->name, when, value, option->values[which]);
    }
}

// The other thread: does what it is told, when it is told.
static pthread_barrier_t begin, end;
static void (*volatile task)(void);
static const struct option *theirs;

static void *other(void *unused) {
    for (;;) {
        pthread_barrier_wait(&begin);
        if (!task) return unused;
        task();
        pthread_barrier_wait(&end);
    }
}
static void beside(void (*act)(void), void (*mine)(void)) {
    task = act;
    pthread_barrier_wait(&begin);
    if (!act) return;
    mine();
    pthread_barrier_wait(&end);
}

static const struct option *own;
static void set_and_check(const struct option *option, const struct option *with) {
    char when[64];
    snprintf(when, sizeof when, "beside %s", with->name);
    for (int round = 0; round < ROUNDS && faults < 20; round++) {
        set(option, round & 1);
        check(option, round & 1, when);
    }
}
static void set_theirs(void) { set_and_check(theirs, own); }
static void set_own(void) { set_and_check(own, theirs); }

static void every_pair(const struct option *options, unsigned count, int type) {
    for (unsigned a = 0; a < count; a++) {
        for (unsigned b = a + 1; b < count && faults < 20; b++) {
            shared = MUST(socket(AF_INET, type, 0));
            own = &options[a];
            theirs = &options[b];
            beside(set_theirs, set_own);
            close(shared);
        }
    }
}

// Sets options while the other thread connects, listens or shuts down.
static struct sockaddr_in at;
static void connect_shared(void) { MUST(connect(shared, ADDRESS(at))); }
static void listen_shared(void) { MUST(listen(shared, 3)); }
static void shut_shared(void) { MUST(shutdown(shared, SHUT_WR)); }
static void set_four(void) {
    set(&stream[2], 1);
    set(&stream[7], 1);
    set(&stream[9], 1);
    set(&stream[20], 1);
}
static void check_four(const char *when) {
    check(&stream[2], 1, when);
    check(&stream[7], 1, when);
    check(&stream[9], 1, when);
    check(&stream[20], 1, when);
}

static void state_and_options(int bound) {
    struct sockaddr_in name;
    socklen_t len = sizeof name;
    int accepting = listener(&at, 16), accepting_too;
    for (int round = 0; round < CONNECTS && faults < 20; round++) {
        shared = bound ? bound_socket(SOCK_STREAM, &name) : MUST(socket(AF_INET, SOCK_STREAM, 0));
        beside(connect_shared, set_four);
        check_four(bound ? "set during connect after bind" : "set during connect");
        CHECK(getpeername(shared, (void *)&name, &len) == 0 && name.sin_port == at.sin_port);
        CHECK(listen(shared, 1) < 0 && errno == EINVAL);
        int value = 0;
        MUST(setsockopt(shared, IPPROTO_TCP, TCP_KEEPIDLE, (int[]){99}, sizeof value));
        beside(shut_shared, set_four);
        check_four("set during shutdown");
        CHECK(send(shared, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
        close(MUST(accept(accepting, NULL, NULL)));
        close(shared);
        shared = bound ? bound_socket(SOCK_STREAM, &name) : MUST(socket(AF_INET, SOCK_STREAM, 0));
        beside(listen_shared, set_four);
        check_four("set during listen");
        len = sizeof value;
        MUST(getsockopt(shared, SOL_SOCKET, SO_ACCEPTCONN, &value, &len));
        CHECK(value == 1);
        len = sizeof name;
        MUST(getsockname(shared, (void *)&name, &len));
        accepting_too = MUST(socket(AF_INET, SOCK_STREAM, 0));
        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        CHECK(connect(accepting_too, ADDRESS(name)) == 0);
        close(accepting_too);
        close(shared);
    }
    close(accepting);
}

int main(void) {
    pthread_t thread;
    pthread_barrier_init(&begin, NULL, 2);
    pthread_barrier_init(&end, NULL, 2);
    if (pthread_create(&thread, NULL, other, NULL)) return 2;
    every_pair(stream, sizeof stream / sizeof *stream, SOCK_STREAM);
    every_pair(datagram, sizeof datagram / sizeof *datagram, SOCK_DGRAM);
    state_and_options(0);
    state_and_options(1);
    beside(NULL, NULL);
    pthread_join(thread, NULL);
    return faults != 0;
}
