// The table of all flags: what they are called, what they take, what they do.
//
// Data, so that parsing, `viaduct help` and the documents cannot disagree. Names, types and
// defaults of kube-proxy's flags are those of Kubernetes 1.36 ("kube-proxy" in the command line
// reference).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace proxy::config {

enum class FlagType : std::uint8_t {
  boolean,         // --flag, --flag=true, --flag=false
  integer,         // 32 bits
  decimal,         // 0.5
  duration,        // 1h0m0s
  text,            // anything
  path,            // of a file or folder
  ip,              // 10.0.0.1, fd00::1
  socket_address,  // IP:port, or an IP alone
  list,            // a,b,c; given twice, the second is appended
  map,             // a=true,b=false
  quantity,        // 0, 64Ki
  version,         // as boolean, or raw
};

// The subcommands that take flags; values are bits of Flag::commands.
enum class Command : std::uint16_t {
  run = 1,
  check = 2,
  cleanup = 4,
  version = 8,
  help = 16,
  dns = 32,
  config = 64,  // takes the flags of run
  status = 128,
  explain = 256,
  env = 512
};

struct Flag {
  std::string_view name;  // without the dashes
  FlagType type = FlagType::text;
  std::string_view standard;  // the default, as one would write it
  std::string_view help;      // one sentence, no full stop
  // Why this version accepts the flag and does nothing with it; empty for a flag that has effect.
  // The reason completes "--flag has no effect: …" and is said once when the flag is given.
  std::string_view no_effect = {};
  std::uint16_t commands = static_cast<std::uint16_t>(Command::run);

  [[nodiscard]] bool belongs_to(Command command) const {
    const auto has = [&](Command c) { return (commands & static_cast<std::uint16_t>(c)) != 0; };
    return has(command) || (command == Command::config && has(Command::run));
  }
};

// In the order in which help prints them.
[[nodiscard]] std::span<const Flag> flags();

// Null for a name that is not in the table.
[[nodiscard]] const Flag* find_flag(std::string_view name);

[[nodiscard]] std::string_view to_string(FlagType type);  // as help shows it: "DURATION"

}  // namespace proxy::config
