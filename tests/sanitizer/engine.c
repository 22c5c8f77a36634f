/* An engine inside the program, and a connection to the program itself through its TCP: two
 * threads write and read a mebibyte both ways. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TOTAL = 1 << 20 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

/* Returns what it is sent until the end. */
static void *echo(void *argument) {
    int fd = accept(*(int *)argument, NULL, NULL);
    if (fd < 0)
        fail("accept");
    char data[16384];
    ssize_t got;
    while ((got = read(fd, data, sizeof data)) > 0)
        for (ssize_t sent = 0, now; sent < got; sent += now)
            if ((now = write(fd, data + sent, got - sent)) < 0)
                fail("write");
    if (got < 0)
        fail("read");
    close(fd);
    return NULL;
}

static void *writer(void *argument) {
    char data[8192];
    for (int sent = 0; sent < TOTAL;) {
        memset(data, sent / (int)sizeof data, sizeof data);
        ssize_t now = send(*(int *)argument, data, sizeof data, 0);
        if (now < 0)
            fail("send");
        sent += now;
    }
    shutdown(*(int *)argument, SHUT_WR);
    return NULL;
}

static void connection(struct sockaddr_in *there) {
    socklen_t length = sizeof *there;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)there, length) || listen(listener, 1))
        fail("listen");
    getsockname(listener, (struct sockaddr *)there, &length);
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, echo, &listener);
    if (connect(fd, (struct sockaddr *)there, length))
        fail("connect");
    pthread_create(&threads[1], NULL, writer, &fd);
    static char data[16384];
    int total = 0;
    for (ssize_t got; (got = recv(fd, data, sizeof data, 0)) > 0;)
        total += got;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    close(fd);
    close(listener);
    if (total < TOTAL) {
        fprintf(stderr, "%d bytes came back\n", total);
        exit(1);
    }
}

int main(void) {
    int (*start)(const char *) = (int (*)(const char *))dlsym(RTLD_DEFAULT, "us_engine_start");
    int (*stop)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "us_engine_stop");
    if (!start || !stop) {
        fprintf(stderr, "the library is not loaded\n");
        return 1;
    }
    char folder[] = "/tmp/sanitizer-XXXXXX", text[300];
    if (!mkdtemp(folder))
        fail("mkdtemp");
    snprintf(text, sizeof text,
             "name = \"sanitizer%d\"\naddresses = [\"10.9.0.1/24\"]\nloopback = \"tcp\"\n"
             "[[link]]\ndevice = \"stream-listen:%s/wire\"\n",
             (int)getpid(), folder);
    if (start(text))
        fail("us_engine_start");
    struct sockaddr_in there = {.sin_family = AF_INET};
    inet_pton(AF_INET, "10.9.0.1", &there.sin_addr);
    for (int i = 0; i < 5; i++) {
        there.sin_port = 0;
        connection(&there);
    }
    if (stop())
        fail("us_engine_stop");
    rmdir(folder);
    return 0;
}
