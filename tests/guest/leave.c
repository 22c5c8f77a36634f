// A thread leaves a call that blocks: by pthread_cancel (deferred, asynchronous, or asked for
// before the call), by pthread_exit or siglongjmp from a signal handler; every blocking function,
// on sockets of the network, pipes, unix sockets and file locks. Afterwards the cleanup handlers
// have run, the descriptor goes on working, no descriptor is lost, and other threads find no lock.
// sanitizer: skip, threads are left in the middle of what a sanitizer watches
#include "guest.h"
#include <pthread.h>
#include <setjmp.h>
#include <sys/syscall.h>

ssize_t __read(int, void *, size_t);
ssize_t __write(int, const void *, size_t);
int __connect(int, const struct sockaddr *, socklen_t);
ssize_t __send(int, const void *, size_t, int);
int __fcntl(int, int, ...);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

enum file { TCP, UDP, PIPE, UNIX, LISTENER, UNIX_LISTENER, FULL_LISTENER, LOCK };
enum kind { READS, WRITES, ACCEPTS, CONNECTS, LOCKS };
enum way { DEFERRED, ASYNCHRONOUS, BEFORE, EXIT, JUMP, REFUSED, WAYS };
static const char *const way_names[] = {"deferred cancellation",
                                        "asynchronous cancellation",
                                        "cancellation before the call",
                                        "pthread_exit in a handler",
                                        "siglongjmp in a handler",
                                        "cancellation that is disabled"};

// The descriptor that the call blocks on, its other end, and addresses.
static int fd, peer, extra[600], extras;
static struct sockaddr_in at;
static char bytes[1 << 16];
static struct iovec vector = {bytes, sizeof bytes};
static struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
static struct mmsghdr messages = {.msg_hdr = {.msg_iov = &vector, .msg_iovlen = 1}};
static struct sockaddr_storage from;
static socklen_t from_len;
static struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

#define FROM ((struct sockaddr *)&from), &from_len
#define ALL bytes, sizeof bytes
static long do_read(void) { return read(fd, ALL); }
static long do_readv(void) { return readv(fd, &vector, 1); }
static long do___read(void) { return __read(fd, ALL); }
static long do___read_chk(void) { return __read_chk(fd, ALL, sizeof bytes); }
static long do_recv(void) { return recv(fd, ALL, 0); }
static long do___recv_chk(void) { return __recv_chk(fd, ALL, sizeof bytes, 0); }
static long do_recvfrom(void) { return recvfrom(fd, ALL, 0, FROM); }
static long do___recvfrom_chk(void) { return __recvfrom_chk(fd, ALL, sizeof bytes, 0, FROM); }
static long do_recvmsg(void) { return recvmsg(fd, &message, 0); }
static long do_recvmmsg(void) { return recvmmsg(fd, &messages, 1, 0, NULL); }
static long do_write(void) { return write(fd, ALL); }
static long do___write(void) { return __write(fd, ALL); }
static long do_writev(void) { return writev(fd, &vector, 1); }
static long do_send(void) { return send(fd, ALL, 0); }
static long do___send(void) { return __send(fd, ALL, 0); }
static long do_sendto(void) { return sendto(fd, ALL, 0, NULL, 0); }
static long do_sendmsg(void) { return sendmsg(fd, &message, 0); }
static long do_sendmmsg(void) { return sendmmsg(fd, &messages, 1, 0); }
static long do_accept(void) { return accept(fd, FROM); }
static long do_accept4(void) { return accept4(fd, NULL, NULL, SOCK_CLOEXEC); }
static long do_connect(void) { return connect(fd, ADDRESS(at)); }
static long do___connect(void) { return __connect(fd, ADDRESS(at)); }
static long do_fcntl(void) { return fcntl(fd, F_SETLKW, &lock); }
static long do___fcntl(void) { return __fcntl(fd, F_SETLKW, &lock); }

#define SOCKETS (1 << TCP | 1 << UNIX)
static const struct call {
    const char *name;
    long (*make)(void);
    enum kind kind;
    int files;
} calls[] = {
    {"read", do_read, READS, SOCKETS | 1 << UDP | 1 << PIPE},
    {"readv", do_readv, READS, SOCKETS | 1 << UDP | 1 << PIPE},
    {"__read", do___read, READS, SOCKETS | 1 << PIPE},
    {"__read_chk", do___read_chk, READS, SOCKETS | 1 << PIPE},
    {"recv", do_recv, READS, SOCKETS | 1 << UDP},
    {"__recv_chk", do___recv_chk, READS, SOCKETS | 1 << UDP},
    {"recvfrom", do_recvfrom, READS, SOCKETS | 1 << UDP},
    {"__recvfrom_chk", do___recvfrom_chk, READS, SOCKETS | 1 << UDP},
    {"recvmsg", do_recvmsg, READS, SOCKETS | 1 << UDP},
    {"recvmmsg", do_recvmmsg, READS, SOCKETS | 1 << UDP},
    {"write", do_write, WRITES, SOCKETS | 1 << PIPE},
    {"__write", do___write, WRITES, SOCKETS | 1 << PIPE},
    {"writev", do_writev, WRITES, SOCKETS | 1 << PIPE},
    {"send", do_send, WRITES, SOCKETS},
    {"__send", do___send, WRITES, SOCKETS},
    {"sendto", do_sendto, WRITES, SOCKETS},
    {"sendmsg", do_sendmsg, WRITES, SOCKETS},
    {"sendmmsg", do_sendmmsg, WRITES, SOCKETS},
    {"accept", do_accept, ACCEPTS, 1 << LISTENER | 1 << UNIX_LISTENER},
    {"accept4", do_accept4, ACCEPTS, 1 << LISTENER | 1 << UNIX_LISTENER},
    {"connect", do_connect, CONNECTS, 1 << FULL_LISTENER},
    {"__connect", do___connect, CONNECTS, 1 << FULL_LISTENER},
    {"fcntl", do_fcntl, LOCKS, 1 << LOCK},
    {"__fcntl", do___fcntl, LOCKS, 1 << LOCK},
};

static struct sockaddr_un unix_name;
static socklen_t unix_len;
static pid_t helper;

static void unix_listener(void) {
    unix_name = (struct sockaddr_un){.sun_family = AF_UNIX};
    unix_len = sizeof unix_name;
    fd = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
    MUST(bind(fd, (void *)&unix_name, sizeof(sa_family_t)));
    MUST(listen(fd, 4));
    MUST(getsockname(fd, (void *)&unix_name, &unix_len));
}

// A listener whose queue is full, so that one more connect waits.
static void full_listener(void) {
    peer = listener(&at, 0);
    for (extras = 0; extras < 599; extras++) {
        int one = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        extra[extras] = one;
        int answer = connect(one, ADDRESS(at));
        if (answer < 0 && errno != EINPROGRESS) break;
        socklen_t len = sizeof answer;
        MUST(getsockopt(one, SOL_SOCKET, SO_ERROR, &answer, &len));
        struct tcp_info info;
        len = sizeof info;
        MUST(getsockopt(one, IPPROTO_TCP, TCP_INFO, &info, &len));
        if (answer || info.tcpi_state != TCP_ESTABLISHED) break;
    }
    extras++;
    fd = MUST(socket(AF_INET, SOCK_STREAM, 0));
}

// A file that another process has locked.
static void locked_file(void) {
    char name[] = "/tmp/understudy-guest-XXXXXX";
    int ready[2];
    fd = MUST(mkstemp(name));
    MUST(unlink(name));
    MUST(pipe(ready));
    helper = MUST(fork());
    if (helper == 0) {
        MUST(fcntl(fd, F_SETLK, &lock));
        MUST(write(ready[1], "x", 1));
        pause();
        _exit(0);
    }
    MUST(read(ready[0], bytes, 1));
    close(ready[0]);
    close(ready[1]);
}

static void open_file(enum file file, enum kind kind) {
    int ends[2] = {-1, -1};
    peer = -1;
    extras = 0;
    helper = 0;
    from_len = sizeof from;
    switch (file) {
    case TCP: tcp_pair(ends); break;
    case UDP:
        ends[0] = bound_socket(SOCK_DGRAM, &at);
        ends[1] = MUST(socket(AF_INET, SOCK_DGRAM, 0));
        MUST(connect(ends[1], ADDRESS(at)));
        break;
    case PIPE:
        MUST(pipe(ends));
        if (kind == WRITES) ends[0] ^= ends[1], ends[1] ^= ends[0], ends[0] ^= ends[1];
        break;
    case UNIX: MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends)); break;
    case LISTENER: fd = listener(&at, 4); return;
    case UNIX_LISTENER: unix_listener(); return;
    case FULL_LISTENER: full_listener(); return;
    case LOCK: locked_file(); return;
    }
    fd = ends[0];
    peer = ends[1];
}

static void close_file(void) {
    close(fd);
    if (peer >= 0) close(peer);
    while (extras > 0) close(extra[--extras]);
    if (helper) {
        kill(helper, SIGKILL);
        waitpid(helper, NULL, 0);
    }
}

static enum way way;
static const struct call *now;
static volatile int tid, cleaned, calling;
static sigjmp_buf back;

static void clean(void *unused) {
    (void)unused;
    cleaned = 1;
}
static void handler(int signal) {
    (void)signal;
    if (way == EXIT) pthread_exit((void *)7);
    siglongjmp(back, 1);
}

static void *leaver(void *unused) {
    (void)unused;
    tid = gettid();
    pthread_cleanup_push(clean, NULL);
    if (way == REFUSED || way == BEFORE) pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
    if (way == ASYNCHRONOUS) pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    if (way == BEFORE) {
        pthread_cancel(pthread_self());
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
    }
    if (way != JUMP || sigsetjmp(back, 1) == 0) {
        calling = 1;
        // A writer goes on until there is no room.
        do now->make();
        while (now->kind == WRITES && way != REFUSED);
        if (way == REFUSED) {
            pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
            pthread_testcancel();
        }
        _exit(9);
    }
    pthread_cleanup_pop(0);
    return (void *)8;
}

// Waits until the thread sleeps in its call: twice, with the same counts of switches between.
static void until_it_sleeps(void) {
    char path[64], text[4096];
    long before = -1;
    for (;;) {
        while (!calling) usleep(100);
        snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
        int status = MUST(open(path, O_RDONLY));
        long n = read(status, text, sizeof text - 1);
        close(status);
        text[n > 0 ? n : 0] = 0;
        char *switches = strstr(text, "\nvoluntary_ctxt_switches:");
        long count = switches ? atol(switches + 25) : 0;
        if (strstr(text, "State:\tS")) {
            // A connect to a full queue may sleep again and again.
            if (count == before || now->kind == CONNECTS) return;
            before = count;
        }
        usleep(1000);
    }
}

// The descriptor is as usable as if the thread had never been there.
static void goes_on(void) {
    struct sockaddr_in name = at;
    if (now->kind == READS) {
        MUST(write(peer, "more", 4));
        CHECK(now->make() == 4 || now->make == do_recvmmsg);
        CHECK(memcmp(bytes, "more", 4) == 0);
    } else if (now->kind == WRITES) {
        MUST(fcntl(peer, F_SETFL, O_NONBLOCK));
        while (read(peer, ALL) > 0) {}
        CHECK(write(fd, "more", 4) == 4);
    } else if (now->kind == ACCEPTS) {
        int is_unix = unix_len != 0;
        int other = MUST(socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM, 0));
        if (is_unix) MUST(connect(other, (void *)&unix_name, unix_len));
        if (!is_unix) MUST(connect(other, ADDRESS(name)));
        int accepted = now->make();
        CHECK(accepted >= 0);
        close(accepted);
        close(other);
    }
}

static void *use(void *unused) {
    library_works();
    return unused;
}

static void leave(enum file file) {
    unix_len = 0;
    tid = cleaned = calling = 0;
    library_works();
    int before = open_descriptors();
    open_file(file, now->kind);
    pthread_t thread, other;
    if (pthread_create(&thread, NULL, leaver, NULL)) _exit(2);
    if (way != BEFORE) until_it_sleeps();
    if (way == EXIT || way == JUMP) {
        pthread_kill(thread, SIGUSR1);
    } else if (way != BEFORE) {
        pthread_cancel(thread);
    }
    if (way == REFUSED) {
        // It stays in the call until that has an answer.
        MUST(write(peer, "x", 1));
    }
    void *result = NULL;
    pthread_join(thread, &result);
    void *expected = way == EXIT ? (void *)7 : way == JUMP ? (void *)8 : PTHREAD_CANCELED;
    if (result != expected) fault("the thread ended with %p", result);
    if (cleaned != (way != JUMP)) fault("cleanup handlers: %d", cleaned);
    goes_on();
    if (pthread_create(&other, NULL, use, NULL)) _exit(2);
    pthread_join(other, NULL);
    library_works();
    close_file();
    int after = open_descriptors();
    if (after != before) fault("%d descriptors before, %d after", before, after);
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR1, handler);
    static const char *const names[] = {"TCP",  "UDP",  "pipe", "unix",
                                        "TCP",  "unix", "full", "lock"};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        for (int file = TCP; file <= LOCK; file++) {
            for (way = 0; way < WAYS; way++) {
                now = &calls[i];
                if (!(now->files & 1 << file) || (way == REFUSED && now->kind != READS)) continue;
                pid_t child = MUST(fork());
                if (child == 0) {
                    // What hangs is ended, and named below.
                    alarm(15);
                    faults = 0;
                    leave(file);
                    _exit(faults != 0);
                }
                int status;
                MUST(waitpid(child, &status, 0));
                if (status == 0) continue;
                const char *end = !WIFSIGNALED(status)              ? "wrong"
                                  : WTERMSIG(status) == SIGALRM ? "hangs"
                                                                : "killed";
                fault("%s (%s), %s: %s %#x", now->name, names[file], way_names[way], end, status);
            }
        }
    }
    return faults != 0;
}
