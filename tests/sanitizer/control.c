/* Faults on purpose, to see that the sanitizer reports what it finds: with an argument a race of
 * two threads, without one a read behind an allocation. */
#include <pthread.h>
#include <stdlib.h>

static int shared;

static void *add(void *unused) {
    for (int i = 0; i < 10000; i++)
        shared++;
    return unused;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        pthread_t other;
        pthread_create(&other, NULL, add, NULL);
        add(NULL);
        pthread_join(other, NULL);
        return 0;
    }
    volatile char *bytes = malloc(8);
    return bytes[8 + argc];
}
