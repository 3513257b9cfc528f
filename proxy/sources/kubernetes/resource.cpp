#include "proxy/sources/kubernetes/resource.hpp"

#include "proxy/sources/kubernetes/url.hpp"

#include <array>
#include <cassert>

namespace proxy::sources::kubernetes {
namespace {

using records::Kind;

constexpr std::array kResources{
    Resource{Kind::service, "v1", "Service", "services"},
    Resource{Kind::endpoint_slice, "discovery.k8s.io/v1", "EndpointSlice", "endpointslices"},
    Resource{Kind::endpoints, "v1", "Endpoints", "endpoints"},
    Resource{Kind::node, "v1", "Node", "nodes"},
    Resource{Kind::name_space, "v1", "Namespace", "namespaces"},
    Resource{Kind::service_cidr, "networking.k8s.io/v1", "ServiceCIDR", "servicecidrs"},
    Resource{Kind::pod, "v1", "Pod", "pods"},
};

// A target as its query grows.
class Target {
 public:
  explicit Target(const Selection& selection) : text_{resource_of(selection.kind).path()} {
    add("labelSelector", selection.label_selector);
    add("fieldSelector", selection.field_selector);
  }
  // Nothing for an empty value.
  void add(std::string_view key, std::string_view value) {
    if (!value.empty()) add_always(key, value);
  }
  void add_always(std::string_view key, std::string_view value) {
    text_ += text_.find('?') == std::string::npos ? '?' : '&';
    text_ += key;
    text_ += '=';
    text_ += query_escaped(value);
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

}  // namespace

std::string Resource::path() const {
  const bool core = api_version.find('/') == std::string_view::npos;
  return (core ? "/api/" : "/apis/") + std::string{api_version} + "/" + std::string{plural};
}

std::string Resource::title() const {
  const auto slash = api_version.find('/');
  if (slash == std::string_view::npos) return std::string{plural};
  return std::string{plural} + "." + std::string{api_version.substr(0, slash)};
}

const Resource& resource_of(Kind kind) {
  for (const auto& resource : kResources) {
    if (resource.kind == kind) return resource;
  }
  assert(false && "every kind has a resource");
  return kResources.front();
}

std::vector<Selection> selections_for(const Interests& interests) {
  // As kube-proxy: what another proxy serves, and what has no cluster IP, is not for forwarding.
  // DNS answers for both.
  const std::string selector =
      interests.dns ? ""
                    : "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name";
  std::vector<Selection> all{
      {Kind::service, selector, ""},
      {interests.endpoints ? Kind::endpoints : Kind::endpoint_slice, selector, ""},
      {Kind::node, "", "metadata.name=" + interests.node_name}};
  if (interests.dns) all.push_back({Kind::name_space, "", ""});
  if (interests.pods) all.push_back({Kind::pod, "", ""});
  return all;
}

std::string list_target(const Selection& selection, const PageRequest& page) {
  Target target{selection};
  if (page.limit != 0) target.add("limit", std::to_string(page.limit));
  if (!page.go_on.empty()) {
    target.add("continue", page.go_on);
  } else if (!page.not_older.empty()) {
    target.add("resourceVersion", page.not_older);
    target.add("resourceVersionMatch", "NotOlderThan");
  }
  return target.take();
}

std::string watch_target(const Selection& selection, std::string_view version,
                         std::chrono::seconds longest) {
  Target target{selection};
  target.add("watch", "1");
  target.add("allowWatchBookmarks", "true");
  target.add("resourceVersion", version);
  target.add("timeoutSeconds", std::to_string(longest.count()));
  return target.take();
}

std::string streaming_list_target(const Selection& selection, std::string_view not_older,
                                  std::chrono::seconds longest) {
  Target target{selection};
  target.add("watch", "1");
  target.add("allowWatchBookmarks", "true");
  target.add("sendInitialEvents", "true");
  target.add("resourceVersionMatch", "NotOlderThan");
  target.add_always("resourceVersion", not_older);
  target.add("timeoutSeconds", std::to_string(longest.count()));
  return target.take();
}

}  // namespace proxy::sources::kubernetes
