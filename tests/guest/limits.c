// Every call at the edge of a limit of the process: with no descriptor left, with one left, and
// where files may not grow. Prints a line for each call; the test compares the lines of the
// kernel's run with ours.
// sanitizer: skip, a sanitizer needs descriptors
#include "calls.h"
#include <sys/resource.h>

static void use_up_descriptors(int left) {
    struct rlimit limit = {200, 200};
    int last = -1, fd;
    MUST(setrlimit(RLIMIT_NOFILE, &limit));
    while ((fd = open("/dev/null", O_RDONLY)) >= 0) last = fd;
    if (errno != EMFILE) fault("open: %s", strerrorname_np(errno));
    for (int i = 0; i < left; i++) close(last - i);
}

static void no_growing_files(void) {
    struct rlimit limit = {0, 0};
    MUST(setrlimit(RLIMIT_FSIZE, &limit));
}

static void make(const struct call *call, const char *limit) {
    static struct scene scene;
    open_scene(&scene);
    call->prepare(&scene);
    if (!strcmp(limit, "none-left")) use_up_descriptors(0);
    if (!strcmp(limit, "one-left")) use_up_descriptors(1);
    if (!strcmp(limit, "no-growing-files")) no_growing_files();
    errno = 0;
    long answer = call->make(&scene);
    int error = errno;
    if (answer < 0) {
        dprintf(1, "%s %s\n", call->title, strerrorname_np(error));
    } else if (call->makes) {
        dprintf(1, "%s a descriptor\n", call->title);
    } else {
        dprintf(1, "%s %ld\n", call->title, answer);
    }
    // The connection that was made can be used as any other.
    if (!strncmp(call->title, "connect", 7) && answer == 0) {
        int socket = strstr(call->title, "bound") ? scene.bound : scene.fresh;
        if (strstr(call->title, "datagram")) socket = scene.datagram;
        if (send(socket, "x", 1, 0) != 1) fault("%s: then send fails", call->title);
    }
}

int main(int count, char **arguments) {
    if (count != 2) return 2;
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        pid_t child = MUST(fork());
        if (child == 0) {
            alarm(30);
            faults = 0;
            make(&calls[i], arguments[1]);
            _exit(faults != 0);
        }
        int status;
        MUST(waitpid(child, &status, 0));
        if (status) fault("%s: ended by %#x", calls[i].title, status);
    }
    return 0;
}
