/* Understudy: a user-space TCP/UDP/IP stack that stands in for the kernel's sockets.
 *
 * Made from the Rust source by build.rs (cbindgen): do not edit.
 *
 * Link with -lunderstudy and call these, or call socket(), bind(), ... as ever: the library has
 * both names for the same functions. All of them set errno and return -1 on failure, like the
 * calls whose manual pages they name. */

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>

struct mmsghdr;
struct timespec;

#ifndef UNDERSTUDY_H
#define UNDERSTUDY_H

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The library's version, like "0.1.0". Static: never to be freed.
 */
const char *us_version(void);

/*
 What an errno means here, in a sentence. Static: never to be freed. Thread-safe, unlike
 strerror(3); for errors that Understudy never makes itself, "see errno(3)".
 */
const char *us_strerror(int number);

/*
 socket(2). Streams and datagrams of AF_INET and AF_INET6, and sockets of ICMP, are Understudy's;
 all other families are the kernel's.

 Errors: EAFNOSUPPORT, EPROTONOSUPPORT, ESOCKTNOSUPPORT, EINVAL: as the kernel. EPERM: a raw
 socket of another protocol. ENETDOWN: the net that UNDERSTUDY_NET names does not run. EMFILE,
 ENFILE, ENOBUFS.
 */
int us_socket(int domain, int kind, int protocol);

/*
 bind(2).

 Errors: EADDRINUSE: taken by a socket of the same net. EADDRNOTAVAIL: not an address of this
 net. EINVAL: bound already, or a length that no address has. EAFNOSUPPORT. EFAULT. ENOTSOCK,
 EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_bind(int fd, const struct sockaddr *address, socklen_t len);

/*
 getsockname(2).

 Errors: EINVAL: *len is negative. EFAULT. ENOTSOCK, EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_getsockname(int fd, struct sockaddr *address, socklen_t *len);

/*
 connect(2).

 Errors: ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH: as in TCP. ENETUNREACH: the net has no way there,
 or its engine does not run. EADDRNOTAVAIL: no port is free, or the connection exists.
 EINPROGRESS, EALREADY, EISCONN, EINTR, EAFNOSUPPORT, EINVAL, EFAULT, ENOTSOCK, EBADF: as the
 kernel.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_connect(int fd, const struct sockaddr *address, socklen_t len);

/*
 getpeername(2).

 Errors: ENOTCONN. EINVAL: *len is negative. EFAULT. ENOTSOCK, EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_getpeername(int fd, struct sockaddr *address, socklen_t *len);

/*
 send(2).

 Errors: EAGAIN, EPIPE (with SIGPIPE, unless MSG_NOSIGNAL), ECONNRESET, ENOTCONN, EDESTADDRREQ,
 EMSGSIZE, EINTR, EFAULT, ENOTSOCK, EBADF; on the wire also what ended the connection: ETIMEDOUT,
 EHOSTUNREACH.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_send(int fd, const void *buffer, size_t len, int flags);

/*
 recv(2).

 Errors: EAGAIN, ECONNRESET, ECONNREFUSED, ENOTCONN, EINTR, EFAULT, ENOTSOCK, EBADF; on the wire
 also what ended the connection: ETIMEDOUT, EHOSTUNREACH.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_recv(int fd, void *buffer, size_t len, int flags);

/*
 sendto(2).

 Errors: As us_send() and us_bind(). ENETUNREACH: the net has no way there. EACCES: a broadcast
 address without SO_BROADCAST.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_sendto(int fd,
                  const void *buffer,
                  size_t len,
                  int flags,
                  const struct sockaddr *address,
                  socklen_t address_len);

/*
 recvfrom(2).

 Errors: As us_recv() and us_getsockname().

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_recvfrom(int fd,
                    void *buffer,
                    size_t len,
                    int flags,
                    struct sockaddr *address,
                    socklen_t *address_len);

/*
 getsockopt(2).

 Errors: ENOPROTOOPT, EOPNOTSUPP: an option that there is not at this level. EINVAL: *len is
 negative. EFAULT. ENOTSOCK, EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/*
 setsockopt(2).

 Errors: ENOPROTOOPT: an option that there is not at this level. EINVAL: a value that it does not
 take. ENOBUFS: too many options are set. EPERM, EFAULT, ENOTSOCK, EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

/*
 listen(2).

 Errors: EADDRINUSE: no port is free. EINVAL: the socket is connected. EOPNOTSUPP: not a stream.
 ENOTSOCK, EBADF.
 */
int us_listen(int fd, int backlog);

/*
 accept(2). Both pointers may be NULL.

 Errors: EAGAIN, EINTR, EMFILE, ENFILE: as the kernel. EINVAL: not listening. EOPNOTSUPP: not a
 stream. EFAULT, ENOTSOCK, EBADF.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_accept(int fd, struct sockaddr *address, socklen_t *len);

/*
 accept4(2).

 Errors: As us_accept(). EINVAL: flags that there are not.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/*
 shutdown(2).

 Errors: ENOTCONN. EINVAL: how is none of the three. ENOTSOCK, EBADF.
 */
int us_shutdown(int fd, int how);

/*
 sendmsg(2). On a stream, control data is not sent.

 Errors: As us_sendto(). EMSGSIZE: more than UIO_MAXIOV buffers.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_sendmsg(int fd, const struct msghdr *message, int flags);

/*
 recvmsg(2).

 Errors: As us_recvfrom(). EMSGSIZE: more than UIO_MAXIOV buffers.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_recvmsg(int fd, struct msghdr *message, int flags);

/*
 sendmmsg(2).

 Errors: As us_sendmsg(), for the first message.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/*
 recvmmsg(2). timeout may be NULL.

 Errors: As us_recvmsg(), for the first message.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_recvmmsg(int fd,
                struct mmsghdr *messages,
                unsigned int count,
                int flags,
                struct timespec *timeout);

/*
 read(2).

 Errors: As us_recv(); of other files as the kernel.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_read(int fd, void *buffer, size_t len);

/*
 write(2).

 Errors: As us_send(); of other files as the kernel.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_write(int fd, const void *buffer, size_t len);

/*
 close(2).

 Errors: EBADF, EINTR, EIO: as the kernel.
 */
int us_close(int fd);

/*
 close_range(2).

 Errors: EINVAL: as the kernel.
 */
int us_close_range(unsigned int first, unsigned int last, int flags);

/*
 closefrom(3).
 */
void us_closefrom(int first);

/*
 dup(2).

 Errors: EBADF, EMFILE.
 */
int us_dup(int fd);

/*
 dup2(2).

 Errors: EBADF, EBUSY, EINTR.
 */
int us_dup2(int old, int new_);

/*
 dup3(2).

 Errors: EBADF, EBUSY, EINTR, EINVAL.
 */
int us_dup3(int old, int new_, int flags);

/*
 readv(2).

 Errors: As us_read().

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_readv(int fd, const struct iovec *iov, int count);

/*
 writev(2).

 Errors: As us_write().

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
ssize_t us_writev(int fd, const struct iovec *iov, int count);

/*
 fcntl(2). The third argument is a number or a pointer, by the command.

 Errors: As the kernel.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_fcntl(int fd, int command, long argument);

/*
 ioctl(2). What is asked about interfaces (SIOCGIFADDR, ...) is answered by the host.

 Errors: As the kernel. EINVAL: SIOCOUTQ of a listener.

 The pointers must lead to what the manual page says; where nothing is mapped, the answer is
 EFAULT.
 */
int us_ioctl(int fd, unsigned long request, long argument);

/*
 Starts the engine of a net, described by the text of a TOML file, as a thread of this process,
 and puts this process into that net; call it before the first socket is made. The net ends with
 us_engine_stop() or with the process.

 EINVAL: the text is wrong (UNDERSTUDY_LOG=1 says where); EADDRINUSE: the net has an engine;
 EALREADY: this process runs one; EBUSY: this process is in another net; ENOSYS:
 libunderstudy_engine.so is not installed with this library; or what the links say.

 toml must be a C string, or NULL (EFAULT).
 */
int us_engine_start(const char *toml);

/*
 Ends the engine that us_engine_start() started, when what has been written has arrived (it waits
 at most some seconds for that). EINVAL: there is none in this
 process (a forked child has not its parent's).
 */
int us_engine_stop(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UNDERSTUDY_H */
