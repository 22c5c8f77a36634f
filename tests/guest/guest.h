// What the C programs beside this file share: faults, sockets of loopback, descriptors.
#ifndef GUEST_H
#define GUEST_H
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

static int faults;

// Says what is wrong; the program goes on, and fails at its end.
UNUSED __attribute__((format(printf, 1, 2))) static void fault(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vdprintf(1, format, arguments);
    va_end(arguments);
    dprintf(1, "\n");
    faults++;
}

// What the test needs to go on.
#define MUST(call)                                                                    \
    ({                                                                                \
        long result_ = (call);                                                        \
        if (result_ < 0) {                                                            \
            dprintf(1, "line %d: %s: %s\n", __LINE__, #call, strerrorname_np(errno)); \
            _exit(1);                                                                 \
        }                                                                             \
        result_;                                                                      \
    })
#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) fault("line %d: not so: %s", __LINE__, #condition); \
    } while (0)

UNUSED static struct sockaddr_in loopback(int port) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

#define ADDRESS(at) ((struct sockaddr *)&(at)), sizeof(at)

// A socket that is bound to a free port of loopback; the port is in `at`.
UNUSED static int bound_socket(int type, struct sockaddr_in *at) {
    int fd = MUST(socket(AF_INET, type, 0));
    socklen_t len = sizeof *at;
    *at = loopback(0);
    MUST(bind(fd, ADDRESS(*at)));
    MUST(getsockname(fd, (void *)at, &len));
    return fd;
}

UNUSED static int listener(struct sockaddr_in *at, int backlog) {
    int fd = bound_socket(SOCK_STREAM, at);
    MUST(listen(fd, backlog));
    return fd;
}

// A connected client and server: ends[0] and ends[1].
UNUSED static void tcp_pair(int ends[2]) {
    struct sockaddr_in at;
    int fd = listener(&at, 1);
    ends[0] = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(ends[0], ADDRESS(at)));
    ends[1] = MUST(accept(fd, NULL, NULL));
    MUST(close(fd));
}

// A TCP port of loopback at which nothing listens.
UNUSED static struct sockaddr_in closed_port(void) {
    struct sockaddr_in at;
    MUST(close(bound_socket(SOCK_STREAM, &at)));
    return at;
}

// How many descriptors are open.
UNUSED static int open_descriptors(void) {
    DIR *all = opendir("/proc/self/fd");
    int count = 0;
    while (all && readdir(all)) count++;
    if (all) closedir(all);
    // Without "." and "..", and the one that reads.
    return count - 3;
}

// A whole life of a connection: if the library has kept a lock, this does not return. (Options that
// are kept in a socket filter are left out: each costs the kernel a compiled program.)
UNUSED static void library_works(void) {
    int ends[2], on = 1, value = 0;
    socklen_t len = sizeof value;
    char byte = 0;
    tcp_pair(ends);
    MUST(setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    MUST(getsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &value, &len));
    CHECK(value == 1);
    CHECK(send(ends[0], "x", 1, 0) == 1);
    CHECK(recv(ends[1], &byte, 1, 0) == 1 && byte == 'x');
    MUST(close(ends[0]));
    CHECK(read(ends[1], &byte, 1) == 0);
    MUST(close(ends[1]));
}

// Runs `test` in a child, which must end well within a minute.
UNUSED static void in_child(const char *name, void (*test)(void)) {
    pid_t child = MUST(fork());
    if (child == 0) {
        faults = 0;
        alarm(60);
        test();
        _exit(faults != 0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    if (WIFSIGNALED(status)) {
        fault("%s: ended by %s", name, sigabbrev_np(WTERMSIG(status)));
    } else if (status) {
        fault("%s: wrong", name);
    }
}
#endif
