// The words of the command line to a command and its flags.
//
// Pure. The grammar is that of Go's pflag, which kube-proxy uses: --name=value, --name value,
// --flag and --flag=false for booleans, -v5, -v 5, -h; "--" ends the flags; '_' counts as '-' in
// names. An empty value is a value ("--cluster-cidr=" is common in generated manifests), which is
// why no general library reads the words here: the ones at hand take the next word instead.
#pragma once

#include "proxy/config/flag_values.hpp"

#include <span>
#include <string>

namespace proxy::config {

struct CommandLine {
  Command command = Command::run;
  FlagValues flags;
  std::vector<std::string>
      arguments;  // of dns, status, explain, env and help; the others take none
};

// The subcommands as help shows them, in its order.
struct CommandName {
  Command command;
  std::string_view name;
  std::string_view help;
};
[[nodiscard]] std::span<const CommandName> commands();

// `words` without the program's name. Without a subcommand it is run; --cleanup, --version and
// --help choose their command whatever else is given. Fails with one line that names the word.
[[nodiscard]] Result<CommandLine> parse_command_line(std::span<const std::string> words);

// What `viaduct help` prints.
[[nodiscard]] std::string help_text();

}  // namespace proxy::config
