// A signal handler makes the same call that it interrupts: at many places of each call, first with
// descriptors of its own, then with the same one. No call allocates: malloc is counted, because an
// allocation in the handler while another one is under way would be the end of the heap.
// sanitizer: skip, it stops after each instruction
#include "calls.h"
#include "step.h"

#define PLACES 8

static volatile int in_call;
static long allocations;

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void __libc_free(void *);

void *malloc(size_t size) {
    if (in_call) allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    if (in_call) allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    if (in_call) allocations++;
    return __libc_realloc(old, size);
}
void free(void *old) {
    if (in_call && old) allocations++;
    __libc_free(old);
}

static struct scene outer, inner;
static const struct call *now;
static long inner_answer;
static int inner_error;

static void the_same_again(void) {
    errno = 0;
    inner_answer = now->make(&inner);
    inner_error = errno;
}

static void judge(const char *which, long place, long answer, int error) {
    int usual = usual_errno(now);
    if (usual ? answer != -1 || error != usual : answer < 0) {
        fault("%s, %s at instruction %ld: %ld, %s", now->title, which, place, answer,
              strerrorname_np(error));
    }
}

// Makes the call, interrupted at `place`; how many instructions it has.
static long interrupted_at(long place) {
    open_scene(&outer);
    now->prepare(&outer);
    open_scene(&inner);
    now->prepare(&inner);
    inner_answer = 0;
    inner_error = usual_errno(now);
    if (inner_error) inner_answer = -1;
    allocations = 0;
    in_call = 1;
    errno = 0;
    step_begin(place);
    long answer = now->make(&outer);
    step_end();
    int error = errno;
    in_call = 0;
    judge("outer", place, answer, error);
    judge("inner", place, inner_answer, inner_error);
    if (allocations) fault("%s: %ld allocations", now->title, allocations);
    if (now->makes) {
        outer.made = answer;
        inner.made = inner_answer > 0 ? inner_answer : -1;
    }
    close_scene(&outer);
    close_scene(&inner);
    return step_count;
}

static void each_call_in_itself(void) {
    step_action = the_same_again;
    for (unsigned i = 0; i < CALL_COUNT && faults < 20; i++) {
        now = &calls[i];
        dprintf(2, "%s\n", now->title);
        long length = interrupted_at(-1);
        EACH_PLACE(place, length, PLACES) interrupted_at(place);
    }
}

// Options of one socket: where they are kept differs.
static const struct {
    int level, name, value;
} options[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},   {SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPIDLE, 77},
    {IPPROTO_TCP, TCP_KEEPINTVL, 5}, {IPPROTO_IP, IP_TTL, 9},       {SOL_SOCKET, SO_PRIORITY, 3},
};
#define OPTIONS (sizeof options / sizeof *options)

static int one_socket;
static unsigned inner_option;

static long set_option(unsigned i) {
    int value = options[i].value;
    return setsockopt(one_socket, options[i].level, options[i].name, &value, sizeof value);
}
static void check_option(unsigned i, const char *what, long place) {
    int value = -1;
    socklen_t len = sizeof value;
    MUST(getsockopt(one_socket, options[i].level, options[i].name, &value, &len));
    if (value != options[i].value) {
        fault("%s at instruction %ld: option %u is %d", what, place, i, value);
    }
}
static void set_inner(void) { inner_answer = set_option(inner_option); }

static long options_interrupted_at(unsigned first, unsigned second, long place) {
    one_socket = MUST(socket(AF_INET, SOCK_STREAM, 0));
    inner_option = second;
    step_begin(place);
    long answer = set_option(first);
    step_end();
    CHECK(answer == 0 && inner_answer == 0);
    check_option(first, "setsockopt in setsockopt: outer", place);
    if (step_target > 0) check_option(second, "setsockopt in setsockopt: inner", place);
    close(one_socket);
    return step_count;
}

static void options_of_one_socket(void) {
    step_action = set_inner;
    for (unsigned a = 0; a < OPTIONS; a++) {
        for (unsigned b = 0; b < OPTIONS && faults < 20; b++) {
            long length = options_interrupted_at(a, b, -1);
            if (a != b) EACH_PLACE(place, length, PLACES) options_interrupted_at(a, b, place);
        }
    }
}

// connect, listen and shutdown change the socket's state; an option that is set meanwhile stays.
static long connect_interrupted_at(int bound, unsigned option, long place) {
    struct sockaddr_in at, own = loopback(0);
    socklen_t len = sizeof own;
    char byte;
    int accepting = listener(&at, 4);
    one_socket = MUST(socket(AF_INET, SOCK_STREAM, 0));
    if (bound) MUST(bind(one_socket, ADDRESS(own)));
    inner_option = option;
    step_begin(place);
    long answer = connect(one_socket, ADDRESS(at));
    step_end();
    if (answer < 0) fault("connect at instruction %ld: %s", place, strerrorname_np(errno));
    if (step_target > 0) check_option(option, "setsockopt in connect", place);
    CHECK(getpeername(one_socket, (void *)&own, &len) == 0);
    int accepted = MUST(accept(accepting, NULL, NULL));
    CHECK(send(one_socket, "x", 1, 0) == 1 && recv(accepted, &byte, 1, 0) == 1);
    long connected = step_count;
    // And shutdown.
    step_begin(place);
    CHECK(shutdown(one_socket, SHUT_WR) == 0);
    step_end();
    if (step_target > 0 && step_count >= place) check_option(option, "in shutdown", place);
    CHECK(send(one_socket, "x", 1, MSG_NOSIGNAL) < 0 && errno == EPIPE);
    close(one_socket);
    close(accepted);
    close(accepting);
    return connected;
}

static void options_during_connect(void) {
    step_action = set_inner;
    for (int bound = 0; bound < 2; bound++) {
        for (unsigned option = 0; option < OPTIONS && faults < 20; option++) {
            long length = connect_interrupted_at(bound, option, -1);
            EACH_PLACE(place, length, 2 * PLACES) connect_interrupted_at(bound, option, place);
        }
    }
}

int main(int count, char **arguments) {
    step_install();
    if (count != 2) return 2;
    if (!strcmp(arguments[1], "calls")) each_call_in_itself();
    if (!strcmp(arguments[1], "options")) options_of_one_socket();
    if (!strcmp(arguments[1], "connect")) options_during_connect();
    return faults != 0;
}
