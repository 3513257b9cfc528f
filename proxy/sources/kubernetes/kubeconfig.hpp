// A kubeconfig file ("Organizing Cluster Access Using kubeconfig Files") to the Access that its
// current context means.
//
// Pure: files that it names are not read here, their paths are made absolute.
#pragma once

#include "proxy/sources/kubernetes/access.hpp"

#include <filesystem>
#include <string_view>

namespace proxy::sources::kubernetes {

// `folder` is where the file lies: relative paths in it start there. Fails with the field that is
// wrong, for credentials that cannot be used (auth-provider, which Kubernetes removed), and if the
// context, its cluster or its user is not in the file. `servers` overrides the cluster's server
// unless it is empty, as --master does.
[[nodiscard]] Result<Access> read_kubeconfig(std::string_view yaml,
                                             const std::filesystem::path& folder,
                                             std::vector<Url> servers = {});

}  // namespace proxy::sources::kubernetes
