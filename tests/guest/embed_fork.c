// An engine inside a process that forks: the child has no engine to stop, and leaves its parent's
// alone; when the parent has died, the child can start one of its own.
#include "guest.h"
#include <sys/prctl.h>

int us_engine_start(const char *) __attribute__((weak));
int us_engine_stop(void) __attribute__((weak));

static const char *const net = "name = \"forks\"\nloopback = \"tcp\"\n";

// A connect through the engine to a port where nothing listens; the errno.
static int try_engine(void) {
    struct sockaddr_in nobody = loopback(81);
    struct timeval limit = {10, 0};
    int one = MUST(socket(AF_INET, SOCK_STREAM, 0));
    MUST(setsockopt(one, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    int error = connect(one, ADDRESS(nobody)) < 0 ? errno : 0;
    close(one);
    return error;
}

static void stops_what_is_not_its_own(void) {
    CHECK(us_engine_stop() == -1 && errno == EINVAL);
    CHECK(try_engine() == ECONNREFUSED);
}

// Runs when its parent has been killed.
static void starts_its_own(void) {
    CHECK(us_engine_start(net) == 0);
    if (faults) dprintf(1, "us_engine_start: %s\n", strerrorname_np(errno));
    CHECK(try_engine() == ECONNREFUSED);
    CHECK(us_engine_stop() == 0);
}

static void parent_of_an_orphan(int answer) {
    MUST(us_engine_start(net));
    CHECK(try_engine() == ECONNREFUSED);
    int died[2];
    MUST(pipe(died));
    pid_t child = MUST(fork());
    if (child == 0) {
        alarm(50);
        close(died[1]);
        // The end of the pipe: the parent is gone.
        while (read(died[0], &(char){0}, 1) > 0) {}
        faults = 0;
        starts_its_own();
        MUST(write(answer, faults ? "n" : "y", 1));
        _exit(0);
    }
    raise(SIGKILL);
}

int main(int count, char **arguments) {
    if (count != 2 || !us_engine_start) return 2;
    if (!strcmp(arguments[1], "stop")) {
        MUST(us_engine_start(net));
        CHECK(try_engine() == ECONNREFUSED);
        in_child("us_engine_stop in a child", stops_what_is_not_its_own);
        CHECK(try_engine() == ECONNREFUSED);
        CHECK(us_engine_stop() == 0);
    } else {
        int answer[2];
        char said = 'n';
        MUST(pipe(answer));
        pid_t child = MUST(fork());
        if (child == 0) parent_of_an_orphan(answer[1]);
        close(answer[1]);
        CHECK(read(answer[0], &said, 1) == 1 && said == 'y');
        waitpid(child, NULL, 0);
    }
    return faults != 0;
}
