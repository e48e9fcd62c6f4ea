/* SPDX-License-Identifier: Apache-2.0 */
/* All that is in a distroless image: one static program, an HTTP server on port 8080. */
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void end(int number)
{
    (void)number;
    _exit(0);
}

int main(void)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 11\r\n\r\ndistroless\n";
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    char request[4096];

    signal(SIGTERM, end);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        listen(listener, 16) < 0)
        return 1;
    for (;;) {
        int client = accept(listener, NULL, NULL);

        if (client < 0)
            continue;
        if (read(client, request, sizeof(request)) > 0 &&
            write(client, answer, strlen(answer)) < 0) {
            /* It went away. */
        }
        close(client);
    }
}
