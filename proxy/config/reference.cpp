#include "proxy/config/reference.hpp"

#include "proxy/config/command_line.hpp"
#include "proxy/config/configuration_file.hpp"
#include "proxy/config/flags.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

namespace proxy::config {
namespace {

// `text` with `with` in the place of each of `what`.
std::string replaced(std::string_view text, std::string_view what, std::string_view with) {
  std::string out;
  while (true) {
    const auto at = text.find(what);
    out += text.substr(0, at);
    if (at == std::string_view::npos) return out;
    out += with;
    text.remove_prefix(at + what.size());
  }
}

std::string help_of(const Flag& flag) {
  auto text = std::string{flag.help};
  if (!flag.no_effect.empty()) text += fmt::format(". No effect: {}", flag.no_effect);
  return text;
}

// ── man ──────────────────────────────────────────────────────────────────────────────────────────

// Of man(7): no escape and no request may begin by accident.
std::string troff(std::string_view text) {
  auto out = replaced(replaced(text, "\\", "\\e"), "-", "\\-");
  if (out.starts_with('.') || out.starts_with('\'')) out.insert(0, "\\&");
  return out;
}

std::string man_page() {
  std::string out =
      ".TH VIADUCT 8 \"\" \"viaduct\" \"System administration\"\n"
      ".SH NAME\nviaduct \\- Kubernetes service proxy with the cluster's DNS\n"
      ".SH SYNOPSIS\n.B viaduct\n[\n.I command\n] [\n.I flags\n]\n"
      ".SH DESCRIPTION\nOne process per node that makes the node forward the virtual IPs of "
      "Kubernetes services to healthy endpoints. A drop\\-in for kube\\-proxy: it takes the same "
      "flags and the same configuration file.\n"
      ".SH COMMANDS\n";
  for (const auto& command : commands()) {
    out += fmt::format(".TP\n.B {}\n{}.\n", command.name, troff(command.help));
  }
  out += ".SH FLAGS\n";
  for (const auto& flag : flags()) {
    out += fmt::format(
        ".TP\n.B \\-\\-{}{}{}\n{}.\n", troff(flag.name), flag.type == FlagType::boolean ? "" : "=",
        flag.type == FlagType::boolean ? "" : to_string(flag.type), troff(help_of(flag)));
    if (!flag.standard.empty()) out += fmt::format("Default: {}.\n", troff(flag.standard));
  }
  return out +
         ".SH EXIT STATUS\n0: done, or ended by a signal in good order. 1: it did not work, or "
         "check found something wrong. 2: the command line is wrong.\n"
         ".SH FILES\n.TP\n/etc/viaduct/viaduct.env\nVIADUCT_FLAGS for the systemd unit.\n"
         ".TP\n/run/viaduct/admin.sock\nWhere the running daemon is asked.\n"
         ".TP\n/var/lib/viaduct/records.state\nThe last records of the Kubernetes API.\n"
         ".SH SEE ALSO\n.BR iptables (8),\n.BR nft (8),\n.BR conntrack (8)\n";
}

// ── completions ──────────────────────────────────────────────────────────────────────────────────

std::string flags_of(Command command) {
  std::string out;
  for (const auto& flag : flags()) {
    if (!flag.belongs_to(command)) continue;
    out += fmt::format("{}--{}{}", out.empty() ? "" : " ", flag.name,
                       flag.type == FlagType::boolean ? "" : "=");
  }
  return out;
}

std::string command_names() {
  std::string out;
  for (const auto& command : commands()) {
    out += fmt::format("{}{}", out.empty() ? "" : " ", command.name);
  }
  return out;
}

std::string names_of_paths() {
  std::string out;
  for (const auto& flag : flags()) {
    if (flag.type == FlagType::path)
      out += fmt::format("{}--{}", out.empty() ? "" : "|", flag.name);
  }
  return out;
}

std::string bash_completion() {
  std::string out =
      "# bash completion for viaduct, made by `viaduct help bash`\n"
      "_viaduct() {\n"
      "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=run "
      "flags\n"
      "  # bash takes the = of --flag=value for a word of its own.\n"
      "  if [[ $word == = ]]; then word= before=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}\n"
      "  fi\n"
      "  case $before in\n"
      "    " +
      names_of_paths() +
      ") COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
      "    --proxy-mode) COMPREPLY=($(compgen -W 'iptables ipvs userspace none' -- \"$word\")); "
      "return ;;\n"
      "    --output|-o) COMPREPLY=($(compgen -W 'table json' -- \"$word\")); return ;;\n"
      "  esac\n"
      "  [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[1]} != -* ]] && command=${COMP_WORDS[1]}\n"
      "  if [[ $COMP_CWORD -eq 1 && $word != -* ]]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      command_names() +
      "' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case $command in\n";
  for (const auto& command : commands()) {
    out += fmt::format("    {}) flags='{}' ;;\n", command.name, flags_of(command.command));
  }
  return out +
         "  esac\n"
         "  COMPREPLY=($(compgen -W \"$flags\" -- \"$word\"))\n"
         "  [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace\n"
         "}\n"
         "complete -F _viaduct viaduct\n";
}

// Of zsh's _arguments and _describe, in single quotes.
std::string zsh(std::string_view text) {
  auto out = replaced(text, "'", "’");
  for (const auto* special : {"[", "]", ":"})
    out = replaced(out, special, "\\" + std::string{special});
  return out;
}

std::string zsh_completion() {
  std::string out =
      "#compdef viaduct\n# zsh completion for viaduct, made by `viaduct help zsh`\n"
      "local -a commands\ncommands=(\n";
  for (const auto& command : commands()) {
    out += fmt::format("  '{}:{}'\n", command.name, zsh(command.help));
  }
  out +=
      ")\nlocal command=run\n"
      "(( CURRENT > 2 )) && [[ $words[2] != -* ]] && command=$words[2]\n"
      "if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "  _describe command commands\n  return\nfi\ncase $command in\n";
  for (const auto& command : commands()) {
    out += fmt::format("  {}) _arguments '*:argument:'", command.name);
    for (const auto& flag : flags()) {
      if (!flag.belongs_to(command.command)) continue;
      const auto* action = flag.type == FlagType::path ? "_files" : "";
      out += flag.type == FlagType::boolean
                 ? fmt::format(" \\\n    '--{}[{}]'", flag.name, zsh(flag.help))
                 : fmt::format(" \\\n    '--{}=[{}]:{}:{}'", flag.name, zsh(flag.help),
                               zsh(to_string(flag.type)), action);
    }
    out += " ;;\n";
  }
  return out + "esac\n";
}

// ── markdown ─────────────────────────────────────────────────────────────────────────────────────

std::string cell(std::string_view text) {
  return replaced(replaced(text, "|", "\\|"), "<", "&lt;");
}

std::string code(std::string_view text) {
  return text.empty() ? std::string{} : fmt::format("`{}`", cell(text));
}

std::string commands_of(const Flag& flag) {
  std::string out;
  for (const auto& command : commands()) {
    if (command.command == Command::run || !flag.belongs_to(command.command)) continue;
    if (command.command == Command::config && flag.belongs_to(Command::run)) continue;
    out += fmt::format("{}{}", out.empty() ? "" : ", ", command.name);
  }
  if (out.empty()) return {};
  return flag.belongs_to(Command::run) ? fmt::format(" (also of {})", out)
                                       : fmt::format(" (of {})", out);
}

void add_flags(std::string& out, bool with_effect) {
  out += "| flag | takes | default | |\n| --- | --- | --- | --- |\n";
  for (const auto& flag : flags()) {
    if (flag.no_effect.empty() != with_effect) continue;
    out += fmt::format("| `--{}` | {} | {} | {}{} |\n", flag.name, cell(to_string(flag.type)),
                       code(flag.standard), cell(with_effect ? flag.help : flag.no_effect),
                       with_effect ? commands_of(flag) : "");
  }
}

std::string markdown() {
  std::string out =
      "# Configuration\n\n"
      "Made by `viaduct help markdown` from the tables that the program reads by; a test compares. "
      "`viaduct config FLAGS` prints\nwhat is in effect and where each value comes from.\n\n"
      "## Commands\n\n| command | |\n| --- | --- |\n";
  for (const auto& command : commands()) {
    out += fmt::format("| `viaduct {}` | {} |\n", command.name, cell(command.help));
  }
  out +=
      "\n## Flags\n\nOf `viaduct run` unless another command is named. `--flag value` and "
      "`--flag=value` are the same; `_` counts as `-`.\n\n";
  add_flags(out, true);
  out +=
      "\n## Flags without effect\n\nThey are accepted because kube-proxy has them; one that is "
      "given is named in a warning, with the reason.\n\n";
  add_flags(out, false);
  out +=
      "\n## The configuration file\n\n`--config FILE` reads kube-proxy's KubeProxyConfiguration "
      "(`kubeproxy.config.k8s.io/v1alpha1`), YAML or JSON. Beside it only the\nflags that are no "
      "field of it count, those of the log, and `--hostname-override`; others are named in a "
      "warning. A field that is not known is a\nwarning, or an error with `--strict-config`.\n\n"
      "| field | takes | default | flag, or why it has no effect |\n| --- | --- | --- | --- |\n";
  for (const auto& field : configuration_fields()) {
    const auto* flag = field.flag.empty() ? nullptr : find_flag(field.flag);
    const auto why = flag != nullptr ? flag->no_effect : field.no_effect;
    out += fmt::format(
        "| `{}` | {} | {} | {}{} |\n", field.path, cell(to_string(field.type)),
        code(field.standard), flag != nullptr ? fmt::format("`--{}`", field.flag) : "",
        why.empty() ? "" : fmt::format("{}no effect: {}", flag != nullptr ? ", " : "", cell(why)));
  }
  return out;
}

}  // namespace

Result<std::string> reference(std::string_view form) {
  if (form.empty() || form == "text") return help_text();
  if (form == "man") return man_page();
  if (form == "bash") return bash_completion();
  if (form == "zsh") return zsh_completion();
  if (form == "markdown") return markdown();
  return invalid(fmt::format("help: \"{}\" is none of text, man, bash, zsh, markdown", form));
}

}  // namespace proxy::config
