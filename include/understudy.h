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
 socket(2). AF_INET and AF_INET6 streams and datagrams are Understudy's; all other families
 are the kernel's.
 */
int us_socket(int domain, int kind, int protocol);

/*
 bind(2).

 address must be readable for len bytes (if it is not, the answer is EFAULT).
 */
int us_bind(int fd, const struct sockaddr *address, socklen_t len);

/*
 getsockname(2).

 address must be writable for *len bytes, len readable and writable.
 */
int us_getsockname(int fd, struct sockaddr *address, socklen_t *len);

/*
 connect(2).

 As us_bind().
 */
int us_connect(int fd, const struct sockaddr *address, socklen_t len);

/*
 getpeername(2).

 As us_getsockname().
 */
int us_getpeername(int fd, struct sockaddr *address, socklen_t *len);

/*
 send(2).

 buffer must be readable for len bytes (if it is not, the answer is EFAULT).
 */
ssize_t us_send(int fd, const void *buffer, size_t len, int flags);

/*
 recv(2).

 buffer must be writable for len bytes (if it is not, the answer is EFAULT).
 */
ssize_t us_recv(int fd, void *buffer, size_t len, int flags);

/*
 sendto(2).

 As us_send() and us_bind().
 */
ssize_t us_sendto(int fd,
                  const void *buffer,
                  size_t len,
                  int flags,
                  const struct sockaddr *address,
                  socklen_t address_len);

/*
 recvfrom(2).

 As us_recv() and us_getsockname().
 */
ssize_t us_recvfrom(int fd,
                    void *buffer,
                    size_t len,
                    int flags,
                    struct sockaddr *address,
                    socklen_t *address_len);

/*
 getsockopt(2).

 value must be writable for *len bytes, len readable and writable.
 */
int us_getsockopt(int fd, int level, int name, void *value, socklen_t *len);

/*
 setsockopt(2).

 value must be readable for len bytes (if it is not, the answer is EFAULT).
 */
int us_setsockopt(int fd, int level, int name, const void *value, socklen_t len);

/*
 listen(2).
 */
int us_listen(int fd, int backlog);

/*
 accept(2).

 As us_getsockname(); both pointers may be NULL.
 */
int us_accept(int fd, struct sockaddr *address, socklen_t *len);

/*
 accept4(2).

 As us_accept().
 */
int us_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/*
 shutdown(2).
 */
int us_shutdown(int fd, int how);

/*
 sendmsg(2). On a stream, control data is not sent.

 message and all it points to must be readable (if it is not, the answer is EFAULT).
 */
ssize_t us_sendmsg(int fd, const struct msghdr *message, int flags);

/*
 recvmsg(2).

 message and all it points to must be writable (if it is not, the answer is EFAULT).
 */
ssize_t us_recvmsg(int fd, struct msghdr *message, int flags);

/*
 sendmmsg(2).

 As us_sendmsg(), for each of count messages.
 */
int us_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/*
 recvmmsg(2).

 As us_recvmsg(), for each of count messages; timeout is NULL or readable.
 */
int us_recvmmsg(int fd,
                struct mmsghdr *messages,
                unsigned int count,
                int flags,
                struct timespec *timeout);

/*
 read(2).

 buffer must be writable for len bytes (if it is not, the answer is EFAULT).
 */
ssize_t us_read(int fd, void *buffer, size_t len);

/*
 write(2).

 buffer must be readable for len bytes (if it is not, the answer is EFAULT).
 */
ssize_t us_write(int fd, const void *buffer, size_t len);

/*
 close(2).
 */
int us_close(int fd);

/*
 close_range(2).
 */
int us_close_range(unsigned int first, unsigned int last, int flags);

/*
 closefrom(3).
 */
void us_closefrom(int first);

/*
 dup(2).
 */
int us_dup(int fd);

/*
 dup2(2).
 */
int us_dup2(int old, int new_);

/*
 dup3(2).
 */
int us_dup3(int old, int new_, int flags);

/*
 readv(2).

 iov must hold count buffers that are writable (if not, the answer is EFAULT).
 */
ssize_t us_readv(int fd, const struct iovec *iov, int count);

/*
 writev(2).

 iov must hold count buffers that are readable (if not, the answer is EFAULT).
 */
ssize_t us_writev(int fd, const struct iovec *iov, int count);

/*
 fcntl(2). The third argument is a number or a pointer, by the command; every ABI that we run on
 passes a variadic one in the same register as this.

 argument must be what command wants.
 */
int us_fcntl(int fd, int command, long argument);

/*
 ioctl(2). What a unix socket does not know but a TCP socket does is questions about interfaces
 (SIOCGIFADDR, ...): they go to a socket of the kernel's that knows.

 argument must be what request wants.
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
 at most some seconds for that). EINVAL: there is none, or it belongs to the
 process that this one was forked from.
 */
int us_engine_stop(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* UNDERSTUDY_H */
