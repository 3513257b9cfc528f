// The ipvs mode: virtual servers in the kernel's IPVS, VIPs on kube-ipvs0, a guard in nf_tables.
//
// Joins what is wanted (Holdings), what carries it out (ServerSync, VipLink, Guard), and who tells
// of others' changes.
#pragma once

#include "modes/ipvs/settings.hpp"
#include "modes/mode.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>

namespace modes::ipvs {

// Can the mode work here? Lets the kernel load the modules. The Error names the one that is
// missing.
[[nodiscard]] Result<void> check_kernel();

// Opens its sockets in the network namespace of the calling thread. Fails where check_kernel()
// does. `advise` is told of settings that could not be made and of what fails beside the syncs.
[[nodiscard]] Result<std::unique_ptr<Mode>> make_ipvs_mode(
    boost::asio::any_io_executor executor, Settings settings,
    std::function<void(const std::string&)> advise);

}  // namespace modes::ipvs
