/* TCP echo server for one client. See udp_server.c for how to build it. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void)
{
    struct sockaddr_in here = {0}, peer;
    socklen_t length = sizeof peer;
    char data[1024], host[INET_ADDRSTRLEN];
    int on = 1;

    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0) {
        perror("socket");
        return 1;
    }
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_ANY);
    here.sin_port = htons(50007);
    if (bind(s, (struct sockaddr *)&here, sizeof here) < 0 || listen(s, 1) < 0) {
        perror("bind or listen");
        return 1;
    }
    int c = accept(s, (struct sockaddr *)&peer, &length);
    if (c < 0) {
        perror("accept");
        return 1;
    }
    inet_ntop(AF_INET, &peer.sin_addr, host, sizeof host);
    printf("Connected by ('%s', %d)\n", host, ntohs(peer.sin_port));
    fflush(stdout);

    ssize_t n;
    while ((n = read(c, data, sizeof data)) > 0) {
        for (ssize_t done = 0; done < n;) {
            ssize_t sent = write(c, data + done, (size_t)(n - done));
            if (sent < 0) {
                perror("write");
                return 1;
            }
            done += sent;
        }
    }
    close(c);
    close(s);
    return n < 0;
}
