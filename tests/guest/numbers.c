// One thread makes calls on a number, another closes that number and opens a file under it. Linux
// answers EBADF, ENOTSOCK or that it is done; the file stays that file, unread and unwritten.
#include "guest.h"
#include <pthread.h>
#include <sys/stat.h>

#define ROUNDS 300

static struct sockaddr_in at;
static int fd;
static volatile int phase;
static char bytes[8];

static void do_connect(void) { connect(fd, ADDRESS(at)); }
static void do_bind(void) {
    struct sockaddr_in any = loopback(0);
    bind(fd, ADDRESS(any));
}
static void do_listen(void) { listen(fd, 3); }
static void do_bind_and_connect(void) {
    do_bind();
    do_connect();
}
static void do_connect_again(void) {
    struct sockaddr_in nobody = loopback(1);
    connect(fd, ADDRESS(nobody));
    do_connect();
}
static void do_disconnect(void) {
    struct sockaddr nothing = {.sa_family = AF_UNSPEC};
    do_connect();
    connect(fd, &nothing, sizeof nothing);
    do_connect();
}
static void do_set(void) {
    int on = 1;
    for (int i = 0; i < 5; i++) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &on, sizeof on);
    }
}
static void do_send(void) {
    for (int i = 0; i < 10; i++) send(fd, bytes, sizeof bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
}
static void do_sendto(void) {
    for (int i = 0; i < 10; i++) sendto(fd, bytes, sizeof bytes, MSG_DONTWAIT, ADDRESS(at));
}
static void do_receive(void) {
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    for (int i = 0; i < 10; i++) {
        recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        recvfrom(fd, bytes, sizeof bytes, MSG_DONTWAIT, (void *)&from, &len);
    }
}
static void do_shutdown(void) { shutdown(fd, SHUT_RDWR); }
static void do_accept(void) { accept(fd, NULL, NULL); }

static const struct {
    const char *name;
    void (*call)(void);
    int type, bound;
} calls[] = {
    {"connect", do_connect, SOCK_STREAM, 0},
    {"connect after bind", do_connect, SOCK_STREAM, 1},
    {"bind and connect", do_bind_and_connect, SOCK_STREAM, 0},
    {"connect again", do_connect_again, SOCK_STREAM, 0},
    {"disconnect", do_disconnect, SOCK_STREAM, 0},
    {"bind", do_bind, SOCK_STREAM, 0},
    {"listen", do_listen, SOCK_STREAM, 0},
    {"setsockopt", do_set, SOCK_STREAM, 0},
    {"send", do_send, SOCK_STREAM, 0},
    {"recv", do_receive, SOCK_STREAM, 0},
    {"shutdown", do_shutdown, SOCK_STREAM, 0},
    {"accept", do_accept, SOCK_STREAM, 1},
    {"bind datagrams", do_bind, SOCK_DGRAM, 0},
    {"connect datagrams", do_connect, SOCK_DGRAM, 0},
    {"disconnect datagrams", do_disconnect, SOCK_DGRAM, 1},
    {"sendto", do_sendto, SOCK_DGRAM, 0},
    {"recvfrom", do_receive, SOCK_DGRAM, 1},
};

static volatile unsigned now;

static void *caller(void *unused) {
    for (;;) {
        while (phase != 1) {
            if (phase == 9) return unused;
        }
        phase = 2;
        calls[now].call();
        phase = 3;
    }
}

static void check_file(int file, int append) {
    struct stat is;
    MUST(fstat(file, &is));
    if (!S_ISREG(is.st_mode)) {
        fault("%s: the file became %o", calls[now].name, is.st_mode);
        return;
    }
    if (is.st_size != 6) fault("%s: the file has %ld bytes", calls[now].name, (long)is.st_size);
    if (lseek(file, 0, SEEK_CUR) != 0) fault("%s: the file was read", calls[now].name);
    int flags = fcntl(file, F_GETFL) & (O_APPEND | O_NONBLOCK | O_ASYNC);
    if (flags != append) fault("%s: the file has flags %o", calls[now].name, flags);
}

int main(void) {
    char name[] = "/tmp/understudy-guest-XXXXXX";
    int file = MUST(mkstemp(name)), accepting = listener(&at, 4000);
    MUST(write(file, "intact", 6));
    close(file);
    MUST(fcntl(accepting, F_SETFL, O_NONBLOCK));
    pthread_t thread;
    if (pthread_create(&thread, NULL, caller, NULL)) return 2;
    unsigned random = 1;
    for (now = 0; now < sizeof calls / sizeof *calls && faults < 10; now++) {
        for (int round = 0; round < ROUNDS; round++) {
            struct sockaddr_in own;
            int one = calls[now].bound ? bound_socket(calls[now].type, &own)
                                       : MUST(socket(AF_INET, calls[now].type, 0));
            MUST(fcntl(one, F_SETFL, calls[now].call == do_accept ? O_NONBLOCK : 0));
            fd = one;
            phase = 1;
            while (phase == 1) {}
            random = random * 1103515245 + 12345;
            for (volatile unsigned i = 0; i < (random >> 16) % 8000; i++) {}
            close(one);
            int append = round & 1 ? O_APPEND : 0;
            file = MUST(open(name, O_RDWR | append));
            while (phase != 3) {}
            if (file == one) check_file(file, append);
            close(file);
            for (int done; (done = accept(accepting, NULL, NULL)) >= 0;) close(done);
        }
    }
    phase = 9;
    pthread_join(thread, NULL);
    unlink(name);
    return faults != 0;
}
