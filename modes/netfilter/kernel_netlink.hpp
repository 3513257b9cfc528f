// The real nf_tables, over netlink, of the network namespace in which it was opened.
#pragma once

#include "modes/netfilter/batch.hpp"
#include "modes/netfilter/kernel.hpp"
#include "modes/netfilter/nfnetlink_socket.hpp"

namespace modes::netfilter {

class NetlinkKernel final : public Kernel {
 public:
  [[nodiscard]] static Result<NetlinkKernel> open();

  Result<std::uint32_t> generation() override;
  Awaitable<Result<Observation>> observe(std::function<bool(const ChainKey&)> itemised) override;
  Result<CommitResult> commit(const Transaction& transaction, std::uint32_t generation) override;

 private:
  explicit NetlinkKernel(NfnetlinkSocket socket) : socket_{std::move(socket)} {}

  Result<void> discard_pending();
  // All objects of the type in a family; of rules, those of `chain`.
  Awaitable<Result<bool>> dump(int type, Family family, const ChainKey* chain,
                               ObservationReader& reader);
  Awaitable<Result<bool>> observe_once(Observation& into,
                                       const std::function<bool(const ChainKey&)>& itemised);

  NfnetlinkSocket socket_;
  Batch batch_;
  unsigned datagrams_ = 0;  // read by dumps, to let the loop turn now and then
};

}  // namespace modes::netfilter
