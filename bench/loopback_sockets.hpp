// TCP sockets on 127.0.0.1 for the programs that bench/userspace_peers runs. What fails ends the
// program with a message.
#pragma once

#include <netinet/in.h>

namespace bench {

// `port` in decimal.
sockaddr_in loopback(const char* port);
int connect_to(const sockaddr_in& address);  // blocking
int listen_at(const char* port);             // non-blocking
void no_delay(int fd);
void raise_descriptor_limit();  // RLIMIT_NOFILE as high as it may be

}  // namespace bench
