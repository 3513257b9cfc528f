/* Prints what this C library's resolver makes of a name: the addresses in order of their text, one
   a line, or the error. Built twice, for glibc and for musl: their resolvers read the same
   resolv.conf and behave differently. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int compare(const void* a, const void* b) {
  return strcmp(a, b);
}

int main(int argc, char** argv) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  struct addrinfo* found = NULL;
  static char texts[1024][INET6_ADDRSTRLEN];
  size_t count = 0;
  int error;
  if (argc != 2) return 2;
  error = getaddrinfo(argv[1], NULL, &hints, &found);
  if (error != 0) {
    printf("%s\n", error == EAI_NONAME ? "no such name" : gai_strerror(error));
    return 1;
  }
  for (struct addrinfo* at = found; at != NULL && count < 1024; at = at->ai_next) {
    const void* address = at->ai_family == AF_INET
                              ? (const void*)&((struct sockaddr_in*)at->ai_addr)->sin_addr
                              : (const void*)&((struct sockaddr_in6*)at->ai_addr)->sin6_addr;
    inet_ntop(at->ai_family, address, texts[count++], INET6_ADDRSTRLEN);
  }
  qsort(texts, count, INET6_ADDRSTRLEN, compare);
  for (size_t i = 0; i < count; ++i) puts(texts[i]);
  freeaddrinfo(found);
  return 0;
}
