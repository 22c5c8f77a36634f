/* UDP client: sends some datagrams and prints the answers. See udp_server.c. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char *const texts[] = {"Hello", "world", "stop"};
    struct timeval limit = {10, 0};
    struct sockaddr_in server = {0}, from;
    char data[1024], host[INET_ADDRSTRLEN];

    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0) {
        perror("socket");
        return 1;
    }
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    server.sin_family = AF_INET;
    server.sin_port = htons(50000);
    if (inet_pton(AF_INET, argc > 1 ? argv[1] : "127.0.0.1", &server.sin_addr) != 1) {
        fprintf(stderr, "%s is not an IPv4 address\n", argv[1]);
        return 1;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        socklen_t length = sizeof from;
        if (sendto(s, texts[i], strlen(texts[i]), 0, (struct sockaddr *)&server,
                   sizeof server) < 0) {
            perror("sendto");
            return 1;
        }
        ssize_t n = recvfrom(s, data, sizeof data - 1, 0, (struct sockaddr *)&from, &length);
        if (n < 0) {
            perror("recvfrom");
            return 1;
        }
        data[n] = '\0';
        inet_ntop(AF_INET, &from.sin_addr, host, sizeof host);
        printf("Answer '%s' from ('%s', %d)\n", data, host, ntohs(from.sin_port));
    }
    close(s);
    return 0;
}
