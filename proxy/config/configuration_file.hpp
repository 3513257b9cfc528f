// KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1): kube-proxy's configuration file, read
// as flags and written from them.
//
// Pure. A table says which flag each field is, so that all rules about values stand in one place
// (from_flags.hpp). As in kube-proxy the file decides: a flag beside it holds only where the file
// has no such field, for what is logged, and for --hostname-override.
#pragma once

#include "proxy/config/flag_values.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::config {

struct ConfigurationField {
  std::string_view path;  // "iptables.syncPeriod"
  std::string_view flag;  // empty: there is none
  // What the field means when it is absent, null or (where it cannot mean anything else) zero.
  std::string_view standard = {};
  FlagType type = FlagType::text;
  // Whether zero or an empty text is as good as absent.
  bool zero_is_absent = true;
  // Why a field without a flag is not followed; completes "has no effect: …".
  std::string_view no_effect = {};
};

// Every field of the API, in the order in which kube-proxy's reference has them.
[[nodiscard]] std::span<const ConfigurationField> configuration_fields();

enum class UnknownFields : std::uint8_t { warn, refuse };

// Gives `flags`, which holds the command line's, the values of the file, and takes those away that
// the file overrides. Returns what the user should know, a line each. Fails with an error that
// names file and field when the text is not such a configuration; `flags` is then not to be used.
[[nodiscard]] Result<std::vector<std::string>> read_configuration(FlagValues& flags,
                                                                  std::string_view file,
                                                                  std::string_view text,
                                                                  UnknownFields unknown);

// The configuration that `flags` means, with every field, as YAML.
[[nodiscard]] std::string configuration_text(const FlagValues& flags);

// The same as JSON, with the flags of `viaduct run` that are no field of it beside it, as GET
// /configz shows it: {"kubeproxy.config.k8s.io":{…},"viaduct":{"manifests":"/etc/manifests",…}}.
[[nodiscard]] std::string configz_text(const FlagValues& flags);

struct EffectiveFlag {
  std::string_view name;
  std::string value;
  std::string origin;  // "default", "command line", or the file's field
};
// Every flag of `viaduct run`, in the order of the table.
[[nodiscard]] std::vector<EffectiveFlag> effective_flags(const FlagValues& flags);

}  // namespace proxy::config
