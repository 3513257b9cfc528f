// Records from a folder of manifests, a single file or standard input.
//
// Delivers nothing until the folder (or file, or the end of standard input) is there; then one
// snapshot, then changes as files change. Nothing that goes missing by accident (a folder that
// vanishes, a file that can't be read or is written only half) takes records away; deleting a file
// from a folder does.
#pragma once

#include "proxy/sources/manifests/tracker.hpp"
#include "proxy/sources/source.hpp"

#include <boost/asio/io_context.hpp>

#include <filesystem>
#include <memory>

namespace proxy::sources::manifests {

class ManifestsSource final : public Source {
 public:
  // `path`: a folder, of which *.yaml, *.yml and *.json count, without the folders in it; a file;
  // or "-" for standard input, which is read once.
  ManifestsSource(boost::asio::io_context& io, std::filesystem::path path, Timing timing = {});
  ~ManifestsSource() override;

  // Fails if the kernel gives no inotify instance.
  [[nodiscard]] Result<void> start(Sink& sink) override;
  void stop() override;

 private:
  struct Following;
  struct StandardInput;

  boost::asio::io_context& io_;
  std::filesystem::path path_;
  Timing timing_;
  std::shared_ptr<Following> following_;
  std::shared_ptr<StandardInput> standard_input_;
};

}  // namespace proxy::sources::manifests
