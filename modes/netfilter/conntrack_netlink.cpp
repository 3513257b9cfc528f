#include "modes/netfilter/conntrack_netlink.hpp"

#include "modes/netfilter/conntrack_messages.hpp"
#include "modes/netfilter/nf_tables_messages.hpp"

#include <linux/netlink.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace modes::netfilter {
namespace {

// A table that is resized meanwhile cuts a walk short; resizing is rare, so the next one is whole.
constexpr int kWalkAttempts = 3;

bool is_interruption(int error) {
  return error == EINTR || error == EAGAIN || error == ERESTART;
}

// The errno with which a dump ended, 0: well; nullopt: it goes on.
std::optional<int> end_of_dump(const Message& message) {
  if (const auto refusal = parse_acknowledgement(message)) return refusal->error;
  if (message.type != NLMSG_DONE) return std::nullopt;
  std::int32_t status = 0;  // negated errno; kernels may leave it out
  if (message.body.size() >= sizeof(status)) {
    std::memcpy(&status, message.body.data(), sizeof(status));
  }
  return status < 0 ? -status : 0;
}

// What an earlier exchange left that ended early with an error.
Result<void> discard_pending(NfnetlinkSocket& socket) {
  for (;;) {
    const auto datagram = socket.receive();
    if (!datagram && datagram.error().code != std::errc::no_buffer_space) return datagram.error();
    if (datagram && !*datagram) return {};
  }
}

}  // namespace

Result<ConntrackNetlink> ConntrackNetlink::open(DeleteByFilter by_filter) {
  auto walking = NfnetlinkSocket::open();
  if (!walking) return proxy::within("connection tracking", walking.error());
  auto deleting = NfnetlinkSocket::open();
  if (!deleting) return proxy::within("connection tracking", deleting.error());
  return ConntrackNetlink{std::move(*walking), std::move(*deleting), by_filter};
}

Result<ConntrackCleanup> ConntrackNetlink::remove_stale(std::span<const ConntrackRule> rules,
                                                        std::span<const IpAddress> node_addresses,
                                                        std::size_t budget) {
  const ConntrackJudge judge{rules, node_addresses};
  ConntrackCleanup done;
  for (const auto& walk : conntrack_walks(rules, budget)) {
    if (walk.delete_all && by_filter_ == DeleteByFilter::if_known) {
      const auto taken = delete_all(walk);
      if (!taken) return proxy::within("delete UDP flows by filter", taken.error());
      if (*taken) {
        ++done.walks;
        continue;
      }
      by_filter_ = DeleteByFilter::never;
    }
    bool whole = false;
    for (int attempt = 0; attempt < kWalkAttempts && !whole; ++attempt) {
      ++done.walks;
      const auto result = judge_all(walk, judge, done);
      if (!result) return proxy::within("delete stale UDP flows", result.error());
      whole = *result;
    }
    done.complete = done.complete && whole;
  }
  return done;
}

// False: this kernel does not know how.
Result<bool> ConntrackNetlink::delete_all(const ConntrackWalk& walk) {
  if (auto clean = discard_pending(deleting_); !clean) return clean.error();
  batch_.clear();
  append_conntrack_delete(batch_, deleting_.next_sequence(), walk);
  if (auto sent = deleting_.send(batch_); !sent) return sent.error();
  const auto answer = deleting_.receive();
  if (!answer) return answer.error();
  if (!*answer) return proxy::system_error(EPROTO, "no answer");
  std::optional<int> error;
  for_each_message(**answer, [&](const Message& message) {
    if (const auto ack = parse_acknowledgement(message)) error = ack->error;
  });
  if (!error) return proxy::system_error(EPROTO, "no acknowledgement");
  if (*error == EINVAL || *error == EOPNOTSUPP) return false;
  if (*error != 0) return proxy::system_error(*error, "answer");
  return true;
}

// True: the walk saw the whole table.
Result<bool> ConntrackNetlink::judge_all(const ConntrackWalk& walk, const ConntrackJudge& judge,
                                         ConntrackCleanup& done) {
  if (auto clean = discard_pending(walking_); !clean) return clean.error();
  std::vector<std::byte> request;
  append_conntrack_dump(request, walking_.next_sequence(), walk);
  if (auto sent = walking_.send(request); !sent) return sent.error();

  bool whole = true;
  bool ended = false;
  int error = 0;
  while (!ended) {
    const auto datagram = walking_.receive();
    if (!datagram) return datagram.error();
    if (!*datagram) return proxy::system_error(EPROTO, "the walk ended without an end");
    batch_.clear();
    in_batch_ = 0;
    for_each_message(**datagram, [&](const Message& message) {
      if ((message.flags & NLM_F_DUMP_INTR) != 0) whole = false;
      if (const auto end = end_of_dump(message)) {
        ended = true;
        error = *end;
        return;
      }
      const auto tracked = parse_tracked_flow(message);
      if (!tracked) return;
      ++done.seen;
      if (!judge.is_stale(tracked->flow)) return;
      append_conntrack_delete(batch_, deleting_.next_sequence(), *tracked);
      ++in_batch_;
    });
    if (auto deleted = delete_batch(done.deleted[static_cast<std::size_t>(walk.family)]); !deleted)
      return deleted.error();
  }
  if (is_interruption(error)) return false;
  if (error != 0) return proxy::system_error(error, "walk the table");
  return whole;
}

// The kernel answers those requests that fail, and has answered when send() returns.
Result<void> ConntrackNetlink::delete_batch(std::size_t& deleted) {
  if (in_batch_ == 0) return {};
  if (auto clean = discard_pending(deleting_); !clean) return clean.error();
  if (auto sent = deleting_.send(batch_); !sent) return sent.error();
  deleted += in_batch_;
  for (;;) {
    const auto answer = deleting_.receive();
    if (!answer) return answer.error();
    if (!*answer) return {};
    int failure = 0;
    for_each_message(**answer, [&](const Message& message) {
      const auto ack = parse_acknowledgement(message);
      if (!ack || ack->error == 0) return;
      --deleted;
      if (ack->error != ENOENT) failure = ack->error;
    });
    if (failure != 0) return proxy::system_error(failure, "delete a flow");
  }
}

}  // namespace modes::netfilter
