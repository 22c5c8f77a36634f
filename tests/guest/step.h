// Stops a call after any one of its instructions: the processor's trap flag makes a SIGTRAP of each
// instruction, so that a signal handler can be put at every place of a call, and not only where a
// timer happens to meet it. (x86_64)
#ifndef STEP_H
#define STEP_H
#include "guest.h"
#include <ucontext.h>

#define TRAP_FLAG 0x100

// Instructions of the call so far; the one at which `step_action` is called.
static volatile long step_count, step_target;
static void (*step_action)(void);

static void step_trapped(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    int error = errno;
    ucontext_t *at = context;
    if (++step_count == step_target) {
        at->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
        step_action();
    }
    errno = error;
}

UNUSED static void step_install(void) {
    struct sigaction action = {.sa_sigaction = step_trapped, .sa_flags = SA_SIGINFO};
    MUST(sigaction(SIGTRAP, &action, NULL));
}

// From here each instruction is trapped, until `target` of them have run, or step_end.
static inline void step_begin(long target) {
    step_count = 0;
    step_target = target;
    __asm__ volatile("sub $128, %%rsp\n pushfq\n orq $0x100, (%%rsp)\n popfq\n add $128, %%rsp"
                     ::: "memory", "cc");
}
static inline void step_end(void) {
    __asm__ volatile("sub $128, %%rsp\n pushfq\n andq $~0x100, (%%rsp)\n popfq\n add $128, %%rsp"
                     ::: "memory", "cc");
}

// The places that are tried, of a call of `length` instructions: at most `most`, evenly spread.
#define EACH_PLACE(place, length, most) \
    for (long place = 1; place <= (length); place += 1 + (length) / (most))
#endif
