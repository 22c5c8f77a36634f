/* Counts the system calls that a program makes from its first instruction on, the dynamic loader's
 * included: count_calls LIBRARY PROGRAM [ARGUMENT ...], LIBRARY for LD_PRELOAD or "". */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static void start(char **argv) {
    setenv("LD_PRELOAD", argv[1], 1);
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL)) {
        fprintf(stderr, "ptrace: %s\n", strerror(errno));
        _exit(77);
    }
    raise(SIGSTOP);
    execvp(argv[2], argv + 2);
    _exit(127);
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    pid_t child = fork();
    if (child == 0)
        start(argv);
    int status, calls = 0, inside = 0, running = 0;
    if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status))
        return 77;
    ptrace(PTRACE_SETOPTIONS, child, NULL,
           PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
    for (;;) {
        if (ptrace(PTRACE_SYSCALL, child, NULL, NULL) || waitpid(child, &status, 0) != child)
            return 1;
        if (WIFEXITED(status))
            break;
        if (!WIFSTOPPED(status))
            return 1;
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8)) {
            running = 1;
            inside = 1; /* what follows is execve's own end */
        } else if (running && WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            inside = !inside;
            calls += inside;
        }
    }
    printf("%d\n", calls);
    return WEXITSTATUS(status);
}
