// Every function that the library stands in for, as a table: how a scene is prepared for the call,
// and the call. No call here blocks. Programs that include this make each call in trouble of some
// kind: on a small stack, from a signal handler, without descriptors, counted.
#ifndef CALLS_H
#define CALLS_H
#include "guest.h"
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

ssize_t __read(int, void *, size_t);
ssize_t __write(int, const void *, size_t);
int __close(int);
int __connect(int, const struct sockaddr *, socklen_t);
ssize_t __send(int, const void *, size_t, int);
int __dup2(int, int);
int __fcntl(int, int, ...);
ssize_t __read_chk(int, void *, size_t, size_t);
ssize_t __recv_chk(int, void *, size_t, size_t, int);
ssize_t __recvfrom_chk(int, void *, size_t, size_t, int, struct sockaddr *, socklen_t *);

#define NUMBER_USED 900

// Sockets in every state that a call may want, and buffers.
struct scene {
    // A listener, and one that a client has connected to and nobody has accepted.
    int listener, client, server;
    // A new stream, one that is bound, a new datagram socket, one that is bound, its peer.
    int fresh, bound, datagram, receiver, sender;
    // Not ours.
    int pipe[2], unixes[2], file;
    // What the call has made, to be closed.
    int made;
    struct sockaddr_in at, receiver_at, closed, name;
    socklen_t name_len;
    int value;
    socklen_t value_len;
    char bytes[64], control[256];
    struct tcp_info info;
    struct ifreq interface;
    struct iovec vector;
    struct mmsghdr message;
};

static void open_scene(struct scene *s) {
    memset(s, 0, sizeof *s);
    s->made = -1;
    s->closed = closed_port();
    s->listener = listener(&s->at, 16);
    s->client = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(connect(s->client, ADDRESS(s->at)));
    s->server = MUST(accept(s->listener, NULL, NULL));
    s->fresh = MUST(socket(AF_INET, SOCK_STREAM, 0));
    s->bound = bound_socket(SOCK_STREAM, &s->name);
    s->datagram = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    s->receiver = bound_socket(SOCK_DGRAM, &s->receiver_at);
    s->sender = MUST(socket(AF_INET, SOCK_DGRAM, 0));
    MUST(connect(s->sender, ADDRESS(s->receiver_at)));
    MUST(pipe(s->pipe));
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, s->unixes));
    s->file = MUST(open("/dev/null", O_RDWR));
    s->name_len = sizeof s->name;
    s->value = 1;
    s->value_len = sizeof s->value;
    s->vector = (struct iovec){s->bytes, 8};
    struct msghdr header = {.msg_iov = &s->vector, .msg_iovlen = 1};
    s->message.msg_hdr = header;
    strcpy(s->interface.ifr_name, "lo");
}

UNUSED static void close_scene(struct scene *s) {
    int all[] = {s->listener, s->client,   s->server,  s->fresh,   s->bound,     s->datagram,
                 s->receiver, s->sender,   s->pipe[0], s->pipe[1], s->unixes[0], s->unixes[1],
                 s->file,     NUMBER_USED, s->made};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        if (all[i] >= 0) close(all[i]);
    }
}

// The message with room for a name and control data.
UNUSED static struct msghdr *whole(struct scene *s) {
    s->message.msg_hdr.msg_name = &s->name;
    s->message.msg_hdr.msg_namelen = sizeof s->name;
    s->message.msg_hdr.msg_control = s->control;
    s->message.msg_hdr.msg_controllen = sizeof s->control;
    return &s->message.msg_hdr;
}
UNUSED static struct msghdr *to_receiver(struct scene *s) {
    s->message.msg_hdr.msg_name = &s->receiver_at;
    s->message.msg_hdr.msg_namelen = sizeof s->receiver_at;
    return &s->message.msg_hdr;
}
UNUSED static void stream_arrives(struct scene *s) {
    MUST(send(s->client, "stream", 6, 0));
}
UNUSED static void datagram_arrives(struct scene *s) {
    MUST(send(s->sender, "datagram", 8, 0));
}
UNUSED static void asks_for_control(struct scene *s) {
    MUST(setsockopt(s->receiver, IPPROTO_IP, IP_PKTINFO, &s->value, sizeof s->value));
    MUST(setsockopt(s->receiver, IPPROTO_IP, IP_RECVTTL, &s->value, sizeof s->value));
    datagram_arrives(s);
    whole(s);
}
UNUSED static void somebody_connects(struct scene *s) {
    MUST(connect(s->fresh, ADDRESS(s->at)));
}
UNUSED static void was_refused(struct scene *s) {
    if (connect(s->fresh, ADDRESS(s->closed)) == 0) _exit(1);
}
UNUSED static void does_not_block(struct scene *s) {
    MUST(fcntl(s->fresh, F_SETFL, O_NONBLOCK));
}
UNUSED static struct sockaddr_in *free_port(struct scene *s) {
    s->name = closed_port();
    return &s->name;
}

#define NAME(at) (struct sockaddr *)&(at), sizeof(at)
#define OUT(s) (struct sockaddr *)&(s)->name, &(s)->name_len
#define INT(s) &(s)->value, sizeof(s)->value
#define BUFFER(s) (s)->bytes, 8
#define NOTHING (void)s

// CALL: the title, what goes before, the call. MAKES: its answer is a new descriptor.
#define CALLS(CALL, MAKES)                                                                       \
    MAKES(socket_stream, NOTHING, socket(AF_INET, SOCK_STREAM, 0))                                \
    MAKES(socket_datagram, NOTHING, socket(AF_INET6, SOCK_DGRAM, 0))                              \
    MAKES(socket_unix, NOTHING, socket(AF_UNIX, SOCK_STREAM, 0))                                  \
    CALL(bind_stream, s->name = loopback(0), bind(s->fresh, NAME(s->name)))                       \
    CALL(bind_stream_given, free_port(s), bind(s->fresh, NAME(s->name)))                          \
    CALL(bind_datagram, s->name = loopback(0), bind(s->datagram, NAME(s->name)))                  \
    CALL(bind_datagram_given, free_port(s), bind(s->datagram, NAME(s->name)))                     \
    CALL(bind_taken, NOTHING, bind(s->fresh, NAME(s->at)))                                        \
    CALL(listen, NOTHING, listen(s->bound, 5))                                                    \
    CALL(listen_unbound, NOTHING, listen(s->fresh, 5))                                            \
    CALL(getsockname, NOTHING, getsockname(s->client, OUT(s)))                                    \
    CALL(getsockname_datagram, NOTHING, getsockname(s->sender, OUT(s)))                           \
    CALL(getsockname_unix, NOTHING, getsockname(s->unixes[0], OUT(s)))                            \
    CALL(getpeername, NOTHING, getpeername(s->server, OUT(s)))                                    \
    CALL(getpeername_datagram, NOTHING, getpeername(s->sender, OUT(s)))                           \
    CALL(connect, NOTHING, connect(s->fresh, NAME(s->at)))                                        \
    CALL(connect_bound, NOTHING, connect(s->bound, NAME(s->at)))                                  \
    CALL(connect_refused, NOTHING, connect(s->fresh, NAME(s->closed)))                            \
    CALL(connect_again, was_refused(s), connect(s->fresh, NAME(s->at)))                           \
    CALL(connect_nonblocking, does_not_block(s), connect(s->fresh, NAME(s->at)))                  \
    CALL(connect_nonblocking_refused, does_not_block(s), connect(s->fresh, NAME(s->closed)))      \
    CALL(connect_datagram, NOTHING, connect(s->datagram, NAME(s->receiver_at)))                   \
    CALL(__connect, NOTHING, __connect(s->fresh, NAME(s->at)))                                    \
    MAKES(accept, somebody_connects(s), accept(s->listener, OUT(s)))                              \
    MAKES(accept_plain, somebody_connects(s), accept(s->listener, NULL, NULL))                    \
    MAKES(accept4, somebody_connects(s), accept4(s->listener, NULL, NULL, SOCK_CLOEXEC))          \
    CALL(send, NOTHING, send(s->client, BUFFER(s), 0))                                            \
    CALL(send_datagram, NOTHING, send(s->sender, BUFFER(s), 0))                                   \
    CALL(send_unix, NOTHING, send(s->unixes[0], BUFFER(s), 0))                                    \
    CALL(__send, NOTHING, __send(s->client, BUFFER(s), 0))                                        \
    CALL(sendto, NOTHING, sendto(s->client, BUFFER(s), 0, NULL, 0))                               \
    CALL(sendto_first, NOTHING, sendto(s->datagram, BUFFER(s), 0, NAME(s->receiver_at)))          \
    CALL(sendto_bound, NOTHING, sendto(s->receiver, BUFFER(s), 0, NAME(s->receiver_at)))          \
    CALL(sendmsg, NOTHING, sendmsg(s->client, &s->message.msg_hdr, 0))                            \
    CALL(sendmsg_datagram, to_receiver(s), sendmsg(s->receiver, &s->message.msg_hdr, 0))          \
    CALL(sendmsg_unix, NOTHING, sendmsg(s->unixes[0], &s->message.msg_hdr, 0))                    \
    CALL(sendmmsg, NOTHING, sendmmsg(s->client, &s->message, 1, 0))                               \
    CALL(sendmmsg_datagram, to_receiver(s), sendmmsg(s->receiver, &s->message, 1, 0))             \
    CALL(write, NOTHING, write(s->client, BUFFER(s)))                                             \
    CALL(write_datagram, NOTHING, write(s->sender, BUFFER(s)))                                    \
    CALL(write_pipe, NOTHING, write(s->pipe[1], BUFFER(s)))                                       \
    CALL(write_file, NOTHING, write(s->file, BUFFER(s)))                                          \
    CALL(__write, NOTHING, __write(s->client, BUFFER(s)))                                         \
    CALL(writev, NOTHING, writev(s->client, &s->vector, 1))                                       \
    CALL(writev_datagram, NOTHING, writev(s->sender, &s->vector, 1))                              \
    CALL(recv, stream_arrives(s), recv(s->server, BUFFER(s), 0))                                  \
    CALL(recv_peek, stream_arrives(s), recv(s->server, BUFFER(s), MSG_PEEK))                      \
    CALL(recv_trunc, stream_arrives(s), recv(s->server, BUFFER(s), MSG_TRUNC))                    \
    CALL(recv_nothing, NOTHING, recv(s->server, BUFFER(s), MSG_DONTWAIT))                         \
    CALL(recv_end, shutdown(s->client, SHUT_WR), recv(s->server, BUFFER(s), 0))                   \
    CALL(recv_datagram, datagram_arrives(s), recv(s->receiver, BUFFER(s), 0))                     \
    CALL(recv_datagram_trunc, datagram_arrives(s), recv(s->receiver, s->bytes, 3, MSG_TRUNC))     \
    CALL(recv_unix, send(s->unixes[1], "u", 1, 0), recv(s->unixes[0], BUFFER(s), 0))              \
    CALL(__recv_chk, stream_arrives(s), __recv_chk(s->server, BUFFER(s), 64, 0))                  \
    CALL(recvfrom, stream_arrives(s), recvfrom(s->server, BUFFER(s), 0, OUT(s)))                  \
    CALL(recvfrom_datagram, datagram_arrives(s), recvfrom(s->receiver, BUFFER(s), 0, OUT(s)))     \
    CALL(__recvfrom_chk, datagram_arrives(s),                                                     \
         __recvfrom_chk(s->receiver, BUFFER(s), 64, 0, OUT(s)))                                   \
    CALL(recvmsg, stream_arrives(s), recvmsg(s->server, whole(s), 0))                             \
    CALL(recvmsg_datagram, datagram_arrives(s), recvmsg(s->receiver, whole(s), 0))                \
    CALL(recvmsg_control, asks_for_control(s), recvmsg(s->receiver, &s->message.msg_hdr, 0))      \
    CALL(recvmmsg, datagram_arrives(s), recvmmsg(s->receiver, &s->message, 1, 0, NULL))           \
    CALL(read, stream_arrives(s), read(s->server, BUFFER(s)))                                     \
    CALL(read_end, shutdown(s->client, SHUT_WR), read(s->server, BUFFER(s)))                      \
    CALL(read_closed, (close(s->client), s->client = -1), read(s->server, BUFFER(s)))             \
    CALL(read_datagram, datagram_arrives(s), read(s->receiver, BUFFER(s)))                        \
    CALL(read_pipe, write(s->pipe[1], "p", 1) < 0 ? abort() : (void)0,                            \
         read(s->pipe[0], BUFFER(s)))                                                             \
    CALL(read_file, NOTHING, read(s->file, BUFFER(s)))                                            \
    CALL(__read, stream_arrives(s), __read(s->server, BUFFER(s)))                                 \
    CALL(__read_chk, stream_arrives(s), __read_chk(s->server, BUFFER(s), 64))                     \
    CALL(readv, stream_arrives(s), readv(s->server, &s->vector, 1))                               \
    CALL(readv_datagram, datagram_arrives(s), readv(s->receiver, &s->vector, 1))                  \
    CALL(set_nodelay, NOTHING, setsockopt(s->client, IPPROTO_TCP, TCP_NODELAY, INT(s)))           \
    CALL(set_reuseaddr, NOTHING, setsockopt(s->fresh, SOL_SOCKET, SO_REUSEADDR, INT(s)))          \
    CALL(set_keepidle, NOTHING, setsockopt(s->client, IPPROTO_TCP, TCP_KEEPIDLE, INT(s)))         \
    CALL(set_sndbuf, s->value = 9000, setsockopt(s->client, SOL_SOCKET, SO_SNDBUF, INT(s)))       \
    CALL(set_ttl, NOTHING, setsockopt(s->sender, IPPROTO_IP, IP_TTL, INT(s)))                     \
    CALL(set_pktinfo, NOTHING, setsockopt(s->receiver, IPPROTO_IP, IP_PKTINFO, INT(s)))           \
    CALL(get_error, NOTHING, getsockopt(s->client, SOL_SOCKET, SO_ERROR, &s->value,               \
                                        &s->value_len))                                           \
    CALL(get_nodelay, NOTHING, getsockopt(s->client, IPPROTO_TCP, TCP_NODELAY, &s->value,         \
                                          &s->value_len))                                         \
    CALL(get_keepidle, NOTHING, getsockopt(s->client, IPPROTO_TCP, TCP_KEEPIDLE, &s->value,       \
                                           &s->value_len))                                        \
    CALL(get_info, s->value_len = sizeof s->info,                                                 \
         getsockopt(s->client, IPPROTO_TCP, TCP_INFO, &s->info, &s->value_len))                   \
    CALL(get_ttl, NOTHING, getsockopt(s->sender, IPPROTO_IP, IP_TTL, &s->value, &s->value_len))   \
    CALL(shutdown, NOTHING, shutdown(s->client, SHUT_WR))                                         \
    CALL(shutdown_listener, NOTHING, shutdown(s->listener, SHUT_RDWR))                            \
    CALL(close_stream, NOTHING, close(s->client))                                                 \
    CALL(close_listener, NOTHING, close(s->listener))                                             \
    CALL(close_datagram, NOTHING, close(s->receiver))                                             \
    CALL(close_pipe, NOTHING, close(s->pipe[0]))                                                  \
    CALL(__close, NOTHING, __close(s->client))                                                    \
    CALL(close_range, NOTHING, close_range(s->client, s->client, 0))                              \
    CALL(closefrom, NOTHING, (closefrom(NUMBER_USED), 0))                                         \
    MAKES(dup, NOTHING, dup(s->client))                                                           \
    CALL(dup2, NOTHING, dup2(s->client, s->fresh))                                                \
    CALL(__dup2, NOTHING, __dup2(s->client, s->fresh))                                            \
    CALL(dup3, NOTHING, dup3(s->file, s->client, O_CLOEXEC))                                      \
    CALL(fcntl_flags, NOTHING, fcntl(s->client, F_GETFL))                                         \
    CALL(__fcntl, NOTHING, __fcntl(s->client, F_SETFL, O_NONBLOCK))                               \
    MAKES(fcntl_dup, NOTHING, fcntl(s->client, F_DUPFD_CLOEXEC, 3))                               \
    CALL(ioctl_readable, stream_arrives(s), ioctl(s->server, FIONREAD, &s->value))                \
    CALL(ioctl_unsent, NOTHING, ioctl(s->client, TIOCOUTQ, &s->value))                            \
    CALL(ioctl_interface, NOTHING, ioctl(s->fresh, SIOCGIFADDR, &s->interface))                   \
    CALL(prctl, NOTHING, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0))                                      \
    MAKES(syscall_socket, NOTHING, syscall(SYS_socket, AF_INET, SOCK_STREAM, 0))                  \
    CALL(syscall_read, stream_arrives(s), syscall(SYS_read, s->server, BUFFER(s)))                \
    CALL(syscall_close, NOTHING, syscall(SYS_close, s->client))

#define FUNCTIONS(title, prepare, call)                                \
    static void prepare_##title(struct scene *s) { (void)(prepare); } \
    static long make_##title(struct scene *s) {                       \
        (void)s;                                                      \
        return (call);                                                \
    }
CALLS(FUNCTIONS, FUNCTIONS)

struct call {
    const char *title;
    void (*prepare)(struct scene *);
    long (*make)(struct scene *);
    int makes;
};

#define ROW(title, prepare, call) {#title, prepare_##title, make_##title, 0},
#define ROW_MAKES(title, prepare, call) {#title, prepare_##title, make_##title, 1},
static const struct call calls[] = {CALLS(ROW, ROW_MAKES)};
#define CALL_COUNT (sizeof calls / sizeof *calls)

// Calls that end with this errno even where all is well.
UNUSED static int usual_errno(const struct call *call) {
    if (!strcmp(call->title, "bind_taken")) return EADDRINUSE;
    if (!strcmp(call->title, "connect_refused")) return ECONNREFUSED;
    if (!strncmp(call->title, "connect_nonblocking", 19)) return EINPROGRESS;
    if (!strcmp(call->title, "recv_nothing")) return EAGAIN;
    return 0;
}
#endif
