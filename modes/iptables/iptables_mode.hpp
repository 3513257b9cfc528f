// The iptables mode: service rules in the tables of iptables, written over nf_tables netlink.
//
// Joins the planner (what to write), the kernel (writing it), and the monitors (who else writes).
#pragma once

#include "modes/iptables/settings.hpp"
#include "modes/mode.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace modes::iptables {

// What the mode has to say about the machine it runs on: at start, limits and settings that could
// not be made; later, what fails beside the syncs.
struct Advice {
  std::string text;
};

// Opens its sockets in the network namespace of the calling thread. Fails where the kernel has no
// nf_tables or the process may not use it.
[[nodiscard]] Result<std::unique_ptr<Mode>> make_iptables_mode(
    boost::asio::any_io_executor executor, Settings settings,
    std::function<void(const Advice&)> advise);

}  // namespace modes::iptables
