// How much stack each call takes, on a thread that has PTHREAD_STACK_MIN and no page below it.
// Prints a line for each call: its title and the bytes between its caller's frame and the deepest
// byte that was changed. The test compares the lines of the kernel's run with ours.
// sanitizer: skip, it has small stacks, as instrumented functions need more
#include "calls.h"
#include <pthread.h>
#include <sys/mman.h>

#define STACK 16384
#define PATTERN 0xa5

static char *stack;
static struct scene scene;
static const struct call *now;
static long answer, depth;
static int error;

static void *caller(void *unused) {
    // Everything below this frame but a margin for memset itself.
    char *here = __builtin_frame_address(0);
    char *end = here - 256;
    for (volatile char *at = stack; at < (volatile char *)end; at++) *at = (char)PATTERN;
    errno = 0;
    answer = now->make(&scene);
    error = errno;
    char *deepest = stack;
    while (deepest < end && *deepest == (char)PATTERN) deepest++;
    depth = here - deepest;
    return unused;
}

int main(void) {
    stack = mmap(NULL, 3 * STACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED) return 2;
    // A guard on both sides.
    stack += STACK;
    MUST(mprotect(stack, STACK, PROT_READ | PROT_WRITE));
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        now = &calls[i];
        // What a call may leave in the allocator or the loader for the first time is paid here.
        for (int round = 0; round < 2; round++) {
            pthread_t thread;
            pthread_attr_t attributes;
            open_scene(&scene);
            now->prepare(&scene);
            dprintf(2, "%s\n", now->title);
            pthread_attr_init(&attributes);
            if (pthread_attr_setstack(&attributes, stack, STACK)) return 2;
            if (pthread_create(&thread, &attributes, caller, NULL)) return 2;
            pthread_join(thread, NULL);
            pthread_attr_destroy(&attributes);
            if (now->makes) scene.made = answer;
            close_scene(&scene);
            int usual = usual_errno(now);
            if (usual ? answer != -1 || error != usual : answer < 0) {
                fault("%s: %ld, %s", now->title, answer, strerrorname_np(error));
            }
        }
        printf("%s %ld\n", now->title, depth);
    }
    return faults != 0;
}
