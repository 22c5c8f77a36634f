// How many system calls each call makes, counted by a tracer, between two calls of getppid that
// mark its begin and its end. Prints a line for each: its title and the number, then the numbers of
// the calls. The test subtracts what the kernel's run has shown.
// sanitizer: skip, it counts system calls, and a sanitizer makes its own
#include "calls.h"
#include <sys/ptrace.h>
#include <sys/user.h>

static void mark(void) { syscall(SYS_getppid); }

static void traced(void) {
    // On the stack, where the library need not ask whether memory is there.
    struct scene scene;
    MUST(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
    raise(SIGSTOP);
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        open_scene(&scene);
        calls[i].prepare(&scene);
        mark();
        long answer = calls[i].make(&scene);
        mark();
        if (calls[i].makes) scene.made = answer;
        close_scene(&scene);
    }
    _exit(0);
}

// Lets the child run to its next stop at a system call; its number, or -1 when it has ended.
static long next_call(pid_t child, int *status) {
    for (;;) {
        MUST(ptrace(PTRACE_SYSCALL, child, NULL, NULL));
        MUST(waitpid(child, status, 0));
        if (!WIFSTOPPED(*status)) return -1;
        if (WSTOPSIG(*status) == (SIGTRAP | 0x80)) break;
    }
    struct shown {
        unsigned char op;
        char padding[23];
        unsigned long long number;
        unsigned long long arguments[6];
    } info = {0};
    MUST(ptrace(0x420e /* PTRACE_GET_SYSCALL_INFO */, child, sizeof info, &info));
    return info.op == 1 ? (long)info.number : -2;
}

int main(void) {
    int status;
    pid_t child = MUST(fork());
    if (child == 0) traced();
    MUST(waitpid(child, &status, 0));
    MUST(ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL));
    unsigned now = 0;
    int inside = 0, count = 0;
    char numbers[4096] = "";
    for (long number; (number = next_call(child, &status)) != -1;) {
        if (number == -2) continue;
        if (number == SYS_getppid) {
            if (inside) {
                printf("%s %d%s\n", calls[now].title, count, numbers);
                now++;
            }
            inside = !inside;
            count = numbers[0] = 0;
        } else if (inside) {
            count++;
            if (strlen(numbers) < sizeof numbers - 32) sprintf(strchr(numbers, 0), " %ld", number);
        }
    }
    if (now != CALL_COUNT || status) fault("%u of %zu calls, then %#x", now, CALL_COUNT, status);
    return faults != 0;
}
