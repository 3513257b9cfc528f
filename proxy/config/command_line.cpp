#include "proxy/config/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

namespace proxy::config {
namespace {

constexpr std::array kCommands{
    CommandName{Command::run, "run",
                "Forward this node's services; the command when none is given"},
    CommandName{
        Command::check, "check",
        "Read the manifests, print what would be forwarded; status 1 if something is wrong"},
    CommandName{Command::config, "config",
                "Print the configuration that the flags mean, and where each value comes from"},
    CommandName{Command::cleanup, "cleanup", "Remove all that any mode ever wrote, nothing else"},
    CommandName{Command::dns, "dns",
                "query NAME [TYPE]: ask the running daemon's DNS server and print the answer"},
    CommandName{
        Command::status, "status",
        "[PART-OF-A-NAME|IP]: how the running daemon is, and the services that it forwards"},
    CommandName{Command::explain, "explain",
                "IP:PORT[/PROTOCOL]: what the running daemon does with such a packet, and why"},
    CommandName{Command::env, "env",
                "NAMESPACE: the environment variables by which its pods find services"},
    CommandName{Command::version, "version", "Print the version"},
    CommandName{Command::help, "help",
                "[man|bash|zsh|markdown]: print this, also as man page, completion or reference"},
};

// Levenshtein's distance: how many characters to add, drop or change.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const auto change = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({change, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

Error unknown_flag(std::string_view word, std::string_view name, Command command) {
  const Flag* nearest = nullptr;
  auto best = std::min<std::size_t>(3, name.size() / 2) + 1;  // farther is not a slip of the hand
  for (const auto& flag : flags()) {
    if (!flag.belongs_to(command)) continue;
    const auto apart = distance(name, flag.name);
    if (apart < best) {
      best = apart;
      nearest = &flag;
    }
  }
  auto text = fmt::format("{}: unknown flag", word);
  if (nearest != nullptr) text += fmt::format(", did you mean --{}?", nearest->name);
  return invalid(std::move(text));
}

bool takes_no_value(const Flag& flag) {
  return flag.type == FlagType::boolean || flag.type == FlagType::version;
}

// One flag as it stood in the words: its name, and the value that was joined to it.
struct Written {
  std::string shown;  // for messages
  std::string name;
  std::optional<std::string> value = std::nullopt;
};

Written long_form(std::string_view word) {
  const auto equals = word.find('=');
  Written written{.shown = std::string{word.substr(0, equals)},
                  .name = std::string{word.substr(2, equals == word.npos ? equals : equals - 2)}};
  std::ranges::replace(written.name, '_', '-');
  if (equals != word.npos) written.value = word.substr(equals + 1);
  return written;
}

// -h, -v5, -v=5, -v, -o json: the only letters there are.
Written short_form(std::string_view word) {
  const auto letter = word.substr(1, 1);
  Written written{.shown = std::string{word},
                  .name = letter == "h"   ? "help"
                          : letter == "o" ? "output"
                          : letter == "v" ? "v"
                                          : std::string{word.substr(1)}};
  if (word.size() > 2) written.value = word.substr(word[2] == '=' ? 3 : 2);
  return written;
}

bool takes_arguments(Command command) {
  return command == Command::dns || command == Command::explain || command == Command::env ||
         command == Command::status || command == Command::help;
}

std::optional<Command> command_named(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &CommandName::name);
  if (found == kCommands.end()) return std::nullopt;
  return found->command;
}

Command chosen_by_flags(const CommandLine& line) {
  if (line.flags.boolean("help")) return Command::help;
  if (line.flags.text("version") == "raw" || line.flags.boolean("version")) return Command::version;
  if (line.flags.boolean("cleanup")) return Command::cleanup;
  return line.command;
}

// Words of a paragraph broken so that no line is longer than `width`, each line after `indent`.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = width + 1;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  return out;
}

}  // namespace

std::span<const CommandName> commands() {
  return kCommands;
}

Result<CommandLine> parse_command_line(std::span<const std::string> words) {
  CommandLine line;
  if (!words.empty() && !words.front().starts_with('-')) {
    const auto command = command_named(words.front());
    if (!command) {
      return invalid(
          fmt::format("{}: unknown command, there are run, check, config, cleanup, dns, status, "
                      "explain, env, version, help",
                      words.front()));
    }
    line.command = *command;
    words = words.subspan(1);
  }

  while (!words.empty()) {
    const auto word = words.front();
    words = words.subspan(1);
    if (word == "--" && words.empty()) break;
    if (takes_arguments(line.command) && !word.starts_with('-')) {
      line.arguments.push_back(word);
      continue;
    }
    if (!word.starts_with('-') || word == "-" || word == "--") {
      return invalid(
          fmt::format("{}: takes no such argument", word == "--" ? words.front() : word));
    }
    auto written = word.starts_with("--") ? long_form(word) : short_form(word);
    const auto* flag = find_flag(written.name);
    if (flag == nullptr) return unknown_flag(written.shown, written.name, line.command);
    if (!flag->belongs_to(line.command)) {
      return invalid(fmt::format("{}: not a flag of this command", written.shown));
    }
    if (!written.value && takes_no_value(*flag)) written.value = "true";
    if (!written.value) {
      if (words.empty()) return invalid(fmt::format("{}: needs a value", written.shown));
      written.value = words.front();
      words = words.subspan(1);
    }
    if (const auto taken = line.flags.give(*flag, *written.value); !taken) return taken.error();
  }
  line.command = chosen_by_flags(line);
  return line;
}

std::string help_text() {
  constexpr std::size_t kWidth = 96;
  std::string out =
      "viaduct forwards the virtual IPs of Kubernetes services on this node.\n\nUsage:\n";
  for (const auto& command : kCommands) {
    out += fmt::format("  viaduct {:<8} {}\n", command.name, command.help);
  }
  out +=
      "\nExit status: 0 done, or ended by a signal in good order; 1 it did not work, or check "
      "found\n"
      "something wrong; 2 the command line is wrong.\n\nFlags:";
  for (const auto& flag : flags()) {
    out += flag.standard.empty() ? fmt::format("\n  --{} {}", flag.name, to_string(flag.type))
                                 : fmt::format("\n  --{}={}", flag.name, flag.standard);
    auto text = std::string{flag.help};
    if (!flag.no_effect.empty()) text += fmt::format(" (no effect: {})", flag.no_effect);
    out += wrapped(text, kWidth, 6);
  }
  return out + "\n";
}

}  // namespace proxy::config
