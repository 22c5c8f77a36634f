// A signal handler leaves a call for ever by siglongjmp, at many places of it. All these calls are
// async-signal-safe, so it may. Afterwards nothing is kept from other threads, and the thread can
// still be cancelled.
// sanitizer: skip, it stops after each instruction
#include "calls.h"
#include "step.h"
#include <pthread.h>
#include <setjmp.h>

#define PLACES 10

static struct scene scene;
static sigjmp_buf back;

static void leave(void) { siglongjmp(back, 1); }

static void *use(void *unused) {
    library_works();
    return unused;
}

static long left_at(const struct call *call, long place) {
    open_scene(&scene);
    call->prepare(&scene);
    if (sigsetjmp(back, 1) == 0) {
        step_begin(place);
        long answer = call->make(&scene);
        step_end();
        if (call->makes) scene.made = answer;
    } else {
        int state = -1;
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
        if (state != PTHREAD_CANCEL_ENABLE) {
            fault("%s left at instruction %ld: cannot be cancelled", call->title, place);
        }
        pthread_t other;
        if (pthread_create(&other, NULL, use, NULL)) _exit(2);
        pthread_join(other, NULL);
        library_works();
    }
    // A call that was left may have made a descriptor of which nobody was told.
    close_scene(&scene);
    return step_count;
}

int main(void) {
    step_install();
    step_action = leave;
    for (unsigned i = 0; i < CALL_COUNT && faults < 20; i++) {
        dprintf(2, "%s\n", calls[i].title);
        long length = left_at(&calls[i], -1);
        EACH_PLACE(place, length, PLACES) left_at(&calls[i], place);
        closefrom(3);
    }
    return faults != 0;
}
