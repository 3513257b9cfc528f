// Where the API server and our credentials for it are: a kubeconfig, --master, or the service
// account of the pod we run in.
#pragma once

#include "proxy/sources/kubernetes/access.hpp"

#include <filesystem>
#include <string>

namespace proxy::sources::kubernetes {

// What a pod is given (Kubernetes: "Accessing the Kubernetes API from a Pod").
struct PodEnvironment {
  std::filesystem::path folder = "/var/run/secrets/kubernetes.io/serviceaccount";
  std::string host;  // KUBERNETES_SERVICE_HOST
  std::string port;  // KUBERNETES_SERVICE_PORT

  [[nodiscard]] static PodEnvironment of_this_process();
};

// `kubeconfig` and `master` as the flags of these names, empty if not given; `master` may be
// several addresses joined by commas and overrides the kubeconfig's server. `master` alone goes
// with the pod's service account, if there is one and the server is spoken to by TLS. Reads the
// kubeconfig; the files that it names are read when they are needed. Fails for a kubeconfig that
// can't be used, and when nothing is given and this is no pod.
[[nodiscard]] Result<Access> find_access(const std::string& kubeconfig, const std::string& master,
                                         const PodEnvironment& pod);

}  // namespace proxy::sources::kubernetes
