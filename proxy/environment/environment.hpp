// The environment variables by which a pod finds the services of its namespace, as the kubelet
// gives them to containers ("Discovering services" in Kubernetes' Service documentation, and the
// variables of Docker's container links that it names).
//
// Pure. Remembers of each Service only what the variables say: its first cluster IP and its ports
// in the order in which they were written.
#pragma once

#include "proxy/sources/source.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace proxy::environment {

// By name, so that a later Service's variable takes the place of one of the same name.
using Variables = std::map<std::string, std::string, std::less<>>;

class Environment {
 public:
  // The stream of records, as sources::Sink has it.
  void replace(std::span<const records::Record> all);
  void change(std::span<const sources::Change> changes);

  // What a container started now in a pod of `name_space` would be given: the variables of its
  // Services that have a cluster IP, and those of default/kubernetes, which every pod gets unless
  // its namespace has a Service of that name. That a namespace exists is not looked at.
  [[nodiscard]] Variables variables(std::string_view name_space) const;

 private:
  struct Port {
    proxy::Port number;
    Protocol protocol = Protocol::tcp;
    std::string name;  // may be empty
  };
  struct Facts {
    IpAddress cluster_ip;
    std::vector<Port> ports;  // never empty
  };
  using Services = std::map<std::string, Facts, std::less<>>;  // by name

  void take(const records::Service& service);
  void drop(const records::ObjectName& name);
  static void add_to(Variables& variables, std::string_view service, const Facts& facts);

  std::map<std::string, Services, std::less<>> of_namespace_;
};

// The admin socket's reply: {"namespace":"shop","variables":{"CART_SERVICE_HOST":"10.96.0.7",…}}.
[[nodiscard]] std::string environment_document(std::string_view name_space,
                                               const Variables& variables);

// The request {"command":"env","namespace":"shop"}. Fails when the namespace is missing or could
// be none: namespaces are DNS labels (RFC 1123).
[[nodiscard]] Result<std::string> namespace_from(std::string_view request);

}  // namespace proxy::environment
