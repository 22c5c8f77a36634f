// A life of sockets and pipes in which every function is called once on a descriptor of each kind.
// The test runs it with other libraries beside ours, and built with sanitizers.
#include "calls.h"
#include <dlfcn.h>
#include <pthread.h>

static void *in_a_thread(void *unused) {
    library_works();
    return unused;
}

int main(void) {
    struct scene *scene = malloc(sizeof *scene);
    void (*begins)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "interposer_begins");
    void (*says)(void) = (void (*)(void))dlsym(RTLD_DEFAULT, "interposer_says");
    signal(SIGPIPE, SIG_IGN);
    if (begins) begins();
    for (unsigned i = 0; i < CALL_COUNT; i++) {
        open_scene(scene);
        calls[i].prepare(scene);
        errno = 0;
        long answer = calls[i].make(scene);
        int error = errno, usual = usual_errno(&calls[i]);
        if (usual ? answer != -1 || error != usual : answer < 0) {
            fault("%s: %ld, %s", calls[i].title, answer, strerrorname_np(error));
        }
        if (calls[i].makes) scene->made = answer;
        close_scene(scene);
    }
    if (says) says();
    pthread_t thread;
    if (pthread_create(&thread, NULL, in_a_thread, NULL)) return 2;
    pthread_join(thread, NULL);
    free(scene);
    puts("WORKS");
    return faults != 0;
}
