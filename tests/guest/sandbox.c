// Programs that have put themselves under seccomp: strict mode, and filters that allow system calls
// by number. What is read, written, sent or received after that makes those calls and no others.
// sanitizer: skip, a sanitizer makes system calls that it forbids
#include "guest.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

// How the process comes under seccomp.
enum entrance { STRICT, STRICT_BY_SECCOMP, FILTER_BY_PRCTL, FILTER_BY_SECCOMP, ENTRANCES };
static const char *const entrances[] = {"strict", "strict by seccomp", "prctl", "seccomp"};

static void enter(enum entrance how, const int *allowed, int count) {
    struct sock_filter filter[32] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))};
    int at = 1;
    for (int i = 0; i < count; i++) {
        filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, allowed[i], 0, 1);
        filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    filter[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    struct sock_fprog program = {at, filter};
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    switch (how) {
    case STRICT: MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT)); break;
    case STRICT_BY_SECCOMP: MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL)); break;
    case FILTER_BY_PRCTL: MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)); break;
    default: MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
    }
}

// exit(2), which is all that strict mode allows; by instruction, as libc has no function for it.
_Noreturn static void end(int status) {
    syscall(SYS_exit, status);
    __builtin_unreachable();
}

static int ends[2], wires[2], unixes[2], receiver, sender, file;
static struct sockaddr_in at;
static char bytes[64];
static struct iovec vector = {bytes, sizeof bytes};

static void open_all(void) {
    tcp_pair(ends);
    MUST(pipe(wires));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, unixes));
    receiver = bound_socket(SOCK_DGRAM, &at);
    sender = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(connect(sender, ADDRESS(at)));
    file = MUST(open("/dev/zero", O_RDWR));
}

// What is done before, and the one call inside; it returns whether the answer is right.
#define SCENES(SCENE)                                                                            \
    SCENE(read, write(ends[0], "x", 1), read(ends[1], bytes, 8) == 1)                             \
    SCENE(read_server_to_client, write(ends[1], "x", 1), read(ends[0], bytes, 8) == 1)            \
    SCENE(read_after_shutdown, shutdown(ends[0], SHUT_WR), read(ends[1], bytes, 8) == 0)          \
    SCENE(read_after_close, close(ends[0]), read(ends[1], bytes, 8) == 0)                         \
    SCENE(read_end_twice, close(ends[0]),                                                         \
          read(ends[1], bytes, 8) == 0 && read(ends[1], bytes, 8) == 0)                           \
    SCENE(read_nonblocking, fcntl(ends[0], F_SETFL, O_NONBLOCK),                                  \
          read(ends[0], bytes, 8) == -1 && errno == EAGAIN)                                       \
    SCENE(write, 0, write(ends[0], "x", 1) == 1)                                                  \
    SCENE(write_server, 0, write(ends[1], "x", 1) == 1)                                           \
    SCENE(write_and_read, 0, write(ends[0], "x", 1) == 1 && read(ends[1], bytes, 8) == 1)         \
    SCENE(read_pipe, write(wires[1], "x", 1), read(wires[0], bytes, 8) == 1)                      \
    SCENE(read_pipe_end, close(wires[1]), read(wires[0], bytes, 8) == 0)                          \
    SCENE(write_pipe, 0, write(wires[1], "x", 1) == 1)                                            \
    SCENE(read_unix, write(unixes[1], "x", 1), read(unixes[0], bytes, 8) == 1)                    \
    SCENE(write_unix, 0, write(unixes[1], "x", 1) == 1)                                           \
    SCENE(read_file, 0, read(file, bytes, 8) == 8)                                                \
    SCENE(write_file, 0, write(file, "x", 1) == 1)                                                \
    SCENE(read_datagram, write(sender, "xyz", 3), read(receiver, bytes, 8) == 3)                  \
    SCENE(write_datagram, 0, write(sender, "x", 1) == 1)
// Inside a filter that allows more calls.
#define MORE(SCENE)                                                                              \
    SCENE(close_stream, 0, close(ends[0]) == 0 && read(ends[1], bytes, 8) == 0)                   \
    SCENE(close_datagram, 0, close(receiver) == 0)                                                \
    SCENE(close_pipe, 0, close(wires[1]) == 0 && read(wires[0], bytes, 1) == 0)                   \
    SCENE(close_file, 0, close(file) == 0)                                                        \
    SCENE(readv, write(ends[0], "x", 1), readv(ends[1], &vector, 1) == 1)                         \
    SCENE(readv_end, shutdown(ends[0], SHUT_WR), readv(ends[1], &vector, 1) == 0)                 \
    SCENE(writev, 0, writev(ends[0], &vector, 1) == sizeof bytes)                                 \
    SCENE(writev_pipe, 0, writev(wires[1], &vector, 1) == sizeof bytes)                           \
    SCENE(recv, write(ends[0], "x", 1), recv(ends[1], bytes, 8, 0) == 1)                          \
    SCENE(recv_end, shutdown(ends[0], SHUT_WR), recv(ends[1], bytes, 8, 0) == 0)                  \
    SCENE(recv_unix, write(unixes[1], "x", 1), recv(unixes[0], bytes, 8, 0) == 1)                 \
    SCENE(send, 0, send(ends[0], "x", 1, 0) == 1)                                                 \
    SCENE(send_unix, 0, send(unixes[0], "x", 1, 0) == 1)                                          \
    SCENE(syscall_read, write(ends[0], "x", 1), syscall(SYS_read, ends[1], bytes, 8) == 1)        \
    SCENE(syscall_write, 0, syscall(SYS_write, ends[0], bytes, 8) == 8)

#define FUNCTIONS(title, prepare, right)                             \
    static void before_##title(void) { (void)!(prepare); }           \
    static int title##_is_right(void) { return (right); }
SCENES(FUNCTIONS)
MORE(FUNCTIONS)

struct scene {
    const char *title;
    void (*before)(void);
    int (*is_right)(void);
};
#define ROW(title, prepare, right) {#title, before_##title, title##_is_right},
static const struct scene strict_scenes[] = {SCENES(ROW)};
static const struct scene more_scenes[] = {MORE(ROW)};

static const int few[] = {SYS_read, SYS_write, SYS_exit};
static const int more[] = {SYS_read,     SYS_write,  SYS_exit,   SYS_exit_group, SYS_close,
                           SYS_recvfrom, SYS_sendto, SYS_writev, SYS_readv};
#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static void try(const struct scene *scene, enum entrance how, const int *allowed, int count) {
    pid_t child = MUST(fork());
    if (child == 0) {
        alarm(30);
        open_all();
        scene->before();
        enter(how, allowed, count);
        end(scene->is_right() ? 0 : 3);
    }
    int status;
    MUST(waitpid(child, &status, 0));
    if (status) fault("%s (%s): %#x", scene->title, entrances[how], status);
}

int main(void) {
    for (int how = 0; how < ENTRANCES; how++) {
        for (int i = 0; i < COUNT(strict_scenes); i++) {
            try(&strict_scenes[i], how, few, COUNT(few));
        }
    }
    for (int how = FILTER_BY_PRCTL; how < ENTRANCES; how++) {
        for (int i = 0; i < COUNT(more_scenes); i++) try(&more_scenes[i], how, more, COUNT(more));
    }
    return faults != 0;
}
