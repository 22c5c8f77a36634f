// Another library that stands in for the same functions, as a user's own would: it counts the calls
// of each, hands them on to the next library, and says the counts on standard error at the end.
// sanitizer: skip, it is a library, which tests/guest/preload.rs runs
#include <dlfcn.h>
#include <stdio.h>

// All arguments are integers or pointers, in registers.
typedef long function(long, long, long, long, long, long);

#define COUNTED(DO)                                                                            \
    DO(socket) DO(bind) DO(listen) DO(accept) DO(accept4) DO(connect) DO(getsockname)          \
    DO(getpeername) DO(getsockopt) DO(setsockopt) DO(shutdown) DO(send) DO(sendto) DO(sendmsg) \
    DO(sendmmsg) DO(recv) DO(recvfrom) DO(recvmsg) DO(recvmmsg) DO(read) DO(write) DO(readv)   \
    DO(writev) DO(close) DO(dup) DO(dup2) DO(dup3) DO(fcntl) DO(ioctl)

#define DEFINE(name)                                                                \
    static long count_of_##name;                                                    \
    __attribute__((visibility("default"))) long name(long, long, long, long, long, long); \
    long name(long a, long b, long c, long d, long e, long f) {                     \
        static function *next;                                                      \
        if (!next) next = (function *)dlsym(RTLD_NEXT, #name);                      \
        count_of_##name++;                                                          \
        return next(a, b, c, d, e, f);                                              \
    }
COUNTED(DEFINE)

// Counting begins when the program says so by a call of this name, found by dlsym.
void interposer_begins(void);
void interposer_says(void);
#define RESET(name) count_of_##name = 0;
void interposer_begins(void) { COUNTED(RESET) }
#define SAY(name) dprintf(2, "%s %ld\n", #name, count_of_##name);
void interposer_says(void) {
    // Before anything is written, which may count too.
    COUNTED(SAY)
}
