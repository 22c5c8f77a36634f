/* UDP server: prints what it receives and who sent it, and sends it back.
 *
 * The same source runs on the kernel's sockets and on Understudy's:
 *   cc udp_server.c -o udp_server
 *   cc udp_server.c -o udp_server -lunderstudy
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in here = {0}, from;
    char data[1024], host[INET_ADDRSTRLEN];

    int s = socket(AF_INET, SOCK_DGRAM, 0);
    if (s < 0) {
        perror("socket");
        return 1;
    }
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_ANY);
    here.sin_port = htons(50000);
    if (bind(s, (struct sockaddr *)&here, sizeof here) < 0) {
        perror("bind");
        return 1;
    }
    for (;;) {
        socklen_t length = sizeof from;
        ssize_t n = recvfrom(s, data, sizeof data - 1, 0, (struct sockaddr *)&from, &length);
        if (n < 0) {
            perror("recvfrom");
            return 1;
        }
        data[n] = '\0';
        inet_ntop(AF_INET, &from.sin_addr, host, sizeof host);
        printf("Received '%s' from ('%s', %d)\n", data, host, ntohs(from.sin_port));
        fflush(stdout);
        if (sendto(s, data, (size_t)n, 0, (struct sockaddr *)&from, length) < 0) {
            perror("sendto");
            return 1;
        }
        if (strcmp(data, "stop") == 0)
            break;
    }
    close(s);
    return 0;
}
