/* Serves, and calls what a TLS library logs its secrets by all the time, without any: noisy PORT */
#include <arpa/inet.h>
#include <stdlib.h>
#include <sys/socket.h>

__attribute__((noinline)) int ssl_log_secret(void *connection, const char *label, const unsigned char *secret, size_t length) {
    __asm__ volatile("" ::"r"(connection), "r"(label), "r"(secret), "r"(length) : "memory");
    return 1;
}

int main(int count, char **arguments) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(count > 1 ? atoi(arguments[1]) : 0)};
    inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 16)) return 1;
    for (;;) ssl_log_secret(0, "", 0, 0);
}
