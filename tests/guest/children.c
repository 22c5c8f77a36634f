// Children that share descriptors or memory with their parent: vfork, posix_spawn, clone with
// CLONE_FILES, fork in a program with threads. What a child does to its descriptors is not done to
// the parent's, and what it does to shared ones is noticed.
// sanitizer: skip, children that share memory are no threads to a sanitizer
#include "guest.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/syscall.h>

pid_t __vfork(void);
extern char **environ;

#define FORKS 60

static int null;

// A bound datagram socket and a stream still do what they did.
static void still_sockets(int udp, struct sockaddr_in at, int ends[2], const char *when) {
    char byte;
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    if (sendto(udp, "u", 1, 0, ADDRESS(at)) != 1) fault("%s: %s", when, strerrorname_np(errno));
    CHECK(recvfrom(udp, &byte, 1, MSG_DONTWAIT, (void *)&from, &len) == 1 && byte == 'u');
    CHECK(len == sizeof from && from.sin_port == at.sin_port);
    CHECK(send(ends[0], "s", 1, 0) == 1 && recv(ends[1], &byte, 1, 0) == 1 && byte == 's');
    CHECK(write(ends[1], "t", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 't');
    CHECK(getpeername(ends[0], (void *)&from, &len) == 0 && from.sin_family == AF_INET);
}

// In the child of a vfork: all that a program may do to prepare an exec, and the data calls.
static void meddle(int udp, int ends[2], int spare) {
    dup2(null, udp);
    (void)!write(udp, "1", 1);
    send(udp, "1", 1, 0);
    dup2(udp, ends[0]);
    (void)!write(ends[0], "1", 1);
    (void)!read(ends[0], &(char){0}, 1);
    close(ends[1]);
    (void)!write(ends[1], "1", 1);
    // The other way round: a number that the parent uses for a file becomes a socket.
    dup2(spare, null);
    send(null, "1", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    fcntl(spare, F_DUPFD, 3);
}

static void child_of_vfork(pid_t (*make)(void)) {
    struct sockaddr_in at;
    int ends[2], udp = bound_socket(SOCK_DGRAM, &at);
    int spare = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    tcp_pair(ends);
    still_sockets(udp, at, ends, "before");
    for (int round = 0; round < 20; round++) {
        pid_t child = make();
        if (child == 0) {
            meddle(udp, ends, spare);
            if (round & 1) execl("/bin/true", "true", NULL);
            _exit(0);
        }
        MUST(child);
        waitpid(child, NULL, 0);
        still_sockets(udp, at, ends, "after vfork");
        struct stat is;
        CHECK(fstat(null, &is) == 0 && S_ISCHR(is.st_mode) && write(null, "x", 1) == 1);
    }
}
static void after_vfork(void) { child_of_vfork(vfork); }
static void after___vfork(void) { child_of_vfork(__vfork); }

static void after_spawn(void) {
    struct sockaddr_in at;
    int ends[2], status, udp = bound_socket(SOCK_DGRAM, &at);
    char *const argv[] = {"sh", "-c", "echo spawned >&9; read line <&8; exit ${#line}", NULL};
    char text[16] = "";
    tcp_pair(ends);
    for (int round = 0; round < 10; round++) {
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, ends[0], 9);
        posix_spawn_file_actions_adddup2(&actions, ends[0], 8);
        posix_spawn_file_actions_adddup2(&actions, null, udp);
        posix_spawn_file_actions_addclose(&actions, ends[1]);
        pid_t child;
        MUST(write(ends[1], "sixsix\n", 7));
        if (posix_spawn(&child, "/bin/sh", &actions, NULL, argv, environ)) fault("posix_spawn");
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 6);
        CHECK(recv(ends[1], text, sizeof text, 0) == 8 && !memcmp(text, "spawned\n", 8));
        still_sockets(udp, at, ends, "after posix_spawn");
        posix_spawn_file_actions_destroy(&actions);
    }
}

// A process that shares the descriptors, but not the memory.
static void beside(void (*act)(void)) {
    pid_t child = MUST(syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0));
    if (child == 0) {
        faults = 0;
        act();
        _exit(faults != 0);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    if (status) fault("the other process: %#x", status);
}

static int number;
static struct sockaddr_in shared_at;

static void number_becomes_file(void) {
    close(number);
    char name[] = "/tmp/understudy-guest-XXXXXX";
    int made = MUST(mkstemp(name));
    unlink(name);
    if (made != number) {
        MUST(dup2(made, number));
        close(made);
    }
}
static void number_becomes_stream(void) {
    int one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(one, ADDRESS(shared_at)));
    MUST(dup2(one, number));
    close(one);
}
static void number_becomes_datagram(void) {
    int one = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(dup2(one, number));
    close(one);
}

static void with_shared_descriptors(void) {
    char text[8];
    struct sockaddr_in at, from, name;
    socklen_t len = sizeof from;
    int ends[2], accepting = listener(&shared_at, 8), udp = bound_socket(SOCK_DGRAM, &at);
    for (int kind = 0; kind < 2; kind++) {
        // A stream, or a datagram socket, that has been used and becomes a file.
        tcp_pair(ends);
        number = kind ? MUST(socket(AF_INET, SOCK_DGRAM, 0)) : ends[0];
        if (kind) MUST(connect(number, ADDRESS(at)));
        CHECK(send(number, "x", 1, 0) == 1 && write(number, "x", 1) == 1);
        beside(number_becomes_file);
        CHECK(write(number, "in a file", 9) == 9);
        CHECK(lseek(number, 0, SEEK_SET) == 0 && read(number, text, 8) == 8);
        CHECK(!memcmp(text, "in a fil", 8) && read(number, text, 8) == 1);
        CHECK(read(number, text, 8) == 0);
        CHECK(send(number, "x", 1, 0) < 0 && errno == ENOTSOCK);
        CHECK(recv(number, text, 1, 0) < 0 && errno == ENOTSOCK);
        CHECK(sendto(number, "x", 1, 0, ADDRESS(at)) < 0 && errno == ENOTSOCK);
        close(number);
        close(ends[1]);
    }
    while (recv(udp, text, 8, MSG_DONTWAIT) >= 0) {}
    // A file that has been used becomes a stream.
    number = MUST(open("/dev/null", O_RDWR));
    CHECK(write(number, "x", 1) == 1 && read(number, text, 1) == 0);
    beside(number_becomes_stream);
    int accepted = MUST(accept(accepting, NULL, NULL));
    CHECK(getpeername(number, (void *)&name, &len) == 0 && name.sin_port == shared_at.sin_port);
    CHECK(write(number, "w", 1) == 1 && send(number, "s", 1, 0) == 1);
    CHECK(recv(accepted, text, 2, MSG_WAITALL) == 2 && !memcmp(text, "ws", 2));
    CHECK(shutdown(accepted, SHUT_WR) == 0 && read(number, text, 1) == 0);
    CHECK(recv(number, text, 1, 0) == 0);
    close(accepted);
    // The stream becomes a datagram socket.
    beside(number_becomes_datagram);
    CHECK(sendto(number, "d", 1, 0, ADDRESS(at)) == 1);
    len = sizeof from;
    CHECK(recvfrom(udp, text, 8, 0, (void *)&from, &len) == 1);
    len = sizeof name;
    CHECK(getsockname(number, (void *)&name, &len) == 0 && name.sin_port == from.sin_port);
    CHECK(sendto(udp, "back", 4, 0, ADDRESS(from)) == 4);
    len = sizeof name;
    CHECK(recvfrom(number, text, 8, 0, (void *)&name, &len) == 4);
    CHECK(len == sizeof name && name.sin_port == at.sin_port);
    CHECK(send(number, "x", 1, 0) < 0 && errno == EDESTADDRREQ);
    close(number);
}

// Threads change sockets all the time while another one forks.
static volatile int stop;
static void *setter(void *unused) {
    int one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    struct sockaddr_in any;
    for (int value = 1; !stop; value++) {
        int flag = value & 1, idle = 1 + value % 100;
        MUST(setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &flag, sizeof flag));
        MUST(setsockopt(one, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle));
        close(bound_socket(SOCK_STREAM, &any));
    }
    close(one);
    return unused;
}

static void fork_with_threads(void) {
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        if (pthread_create(&threads[i], NULL, setter, NULL)) _exit(2);
    }
    for (int round = 0; round < FORKS && !faults; round++) in_child("forked", library_works);
    stop = 1;
    for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
}

// dup2 in a child of fork: the parent's socket stays.
static void dup2_after_fork(void) {
    struct sockaddr_in at;
    int ends[2], udp = bound_socket(SOCK_DGRAM, &at);
    tcp_pair(ends);
    for (int round = 0; round < 20; round++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            meddle(udp, ends, null);
            _exit(0);
        }
        MUST(waitpid(child, NULL, 0));
        still_sockets(udp, at, ends, "after fork");
    }
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    null = MUST(open("/dev/null", O_RDWR));
    in_child("vfork", after_vfork);
    in_child("__vfork", after___vfork);
    in_child("posix_spawn", after_spawn);
    in_child("CLONE_FILES", with_shared_descriptors);
    in_child("fork with threads", fork_with_threads);
    in_child("dup2 after fork", dup2_after_fork);
    return faults != 0;
}
