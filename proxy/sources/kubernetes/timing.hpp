// How long everything may take; the defaults are what the daemon goes by, tests are less patient.
#pragma once

#include "proxy/sources/kubernetes/course.hpp"

#include <chrono>

namespace proxy::sources::kubernetes {

struct Timing {
  Duration connect = std::chrono::seconds{8};  // each of name, address, proxy, TLS
  Duration plugin = std::chrono::seconds{60};  // an exec plugin
  // From a request to its head. A server that reads a list from its database may take a while; one
  // that is dead is noticed by `pulse`.
  Duration reply = std::chrono::seconds{60};
  Duration within_object = std::chrono::seconds{20};  // between bytes of one object, or of a list
  Duration initial_events = std::chrono::seconds{4};  // between those of a streaming list
  // Between signs of life of a watch: API servers send a bookmark about once a minute.
  Duration watch_silence = std::chrono::seconds{150};

  // A server that says nothing on any connection for so long is asked whether it lives, on the
  // connection that was used for it last, then on a new one. Each step of that has this patience:
  // altogether it is found dead within half a minute.
  Duration pulse_after = std::chrono::seconds{8};
  Duration pulse_patience = std::chrono::seconds{8};

  std::chrono::seconds watch_at_least{300};  // a watch is asked to end after a random time
  std::chrono::seconds watch_at_most{600};   // between these, so that they don't end together

  Pace pace;

  // When the records on disk are used because the API server did not give any.
  Duration state_file_after = std::chrono::seconds{5};
  // The shortest time between two writes of the state file.
  Duration state_file_interval = std::chrono::seconds{10};
};

}  // namespace proxy::sources::kubernetes
