// What the daemon runs beside forwarding: a server that answers names from the same records. The
// whole contract between the two; dns/ implements it.
//
// All calls are the control thread's.
#pragma once

#include "proxy/sources/source.hpp"

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy {

class NameService {
 public:
  virtual ~NameService() = default;

  // The stream of records, as sources::Sink has it, seen before the table of forwarding takes it.
  virtual void replace(std::span<const records::Record> all) = 0;
  virtual void change(std::span<const sources::Change> changes) = 0;

  // Has a question answered as a client's would be, whoever may ask: `answer` gets the reply as
  // dig prints it, from any thread, or at once why it can't be asked. Not called when the service is
  // stopped meanwhile.
  using Answer = std::function<void(Result<std::string>)>;
  virtual void query(std::string_view name, std::string_view type, Answer answer) = 0;

  // True once it answers from a first full list.
  [[nodiscard]] virtual bool ready() const = 0;
  // Where it listens, as "10.96.0.10:53".
  [[nodiscard]] virtual std::vector<std::string> listening() const = 0;
  // Its figures in Prometheus' text format.
  [[nodiscard]] virtual std::string metrics() const = 0;

  // Stops listening and answers what has arrived; blocks for at most a few seconds.
  virtual void stop() = 0;
};

}  // namespace proxy
