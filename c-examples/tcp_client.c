/* TCP echo client. See udp_server.c for how to build it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char text[] = "Hello, world";
    struct sockaddr_in server = {0};
    char data[1024];

    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0) {
        perror("socket");
        return 1;
    }
    server.sin_family = AF_INET;
    server.sin_port = htons(50007);
    if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &server.sin_addr) != 1) {
        fprintf(stderr, "%s is not an IPv4 address\n", argv[1]);
        return 1;
    }
    if (connect(s, (struct sockaddr *)&server, sizeof server) < 0) {
        perror("connect");
        return 1;
    }
    if (send(s, text, strlen(text), 0) != (ssize_t)strlen(text)) {
        perror("send");
        return 1;
    }
    ssize_t n = recv(s, data, sizeof data - 1, 0);
    if (n < 0) {
        perror("recv");
        return 1;
    }
    data[n] = '\0';
    printf("Received '%s'\n", data);
    close(s);
    return 0;
}
