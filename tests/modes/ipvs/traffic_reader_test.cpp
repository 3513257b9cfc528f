#include "modes/ipvs/traffic_reader.hpp"

#include "tests/modes/ipvs/fake_ipvs.hpp"

#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

namespace modes::ipvs {
namespace {

const ServicePortName kWeb{.service = {"ns1", "web"}, .port = "http"};
const ServicePortName kNames{.service = {"ns1", "names"}, .port = "dns", .protocol = Protocol::udp};

Endpoint endpoint(const char* ip) {
  return {*proxy::parse_ip(ip), Port{80}};
}
VirtualServerKey key(const char* ip, Protocol protocol = Protocol::tcp) {
  return {*proxy::parse_ip(ip), Port{80}, protocol};
}

class IpvsTraffic : public testing::Test {
 protected:
  void hold(const ServicePortName& name, const std::vector<VirtualServerKey>& keys,
            const std::vector<Endpoint>& endpoints) {
    Forwarding wanted;
    for (const auto& one : keys) {
      for (const auto& to : endpoints) wanted.servers[one].real_servers.push_back({.endpoint = to});
      wanted.servers[one];
      kernel_->has[one] = wanted.servers[one];
    }
    holdings_.set(name, &wanted);
  }
  std::vector<Traffic> read(const std::vector<ServicePortName>& names) {
    boost::asio::io_context io;
    std::vector<Traffic> out;
    boost::asio::co_spawn(io, reader_.read(holdings_, names),
                          [&](const std::exception_ptr&, auto traffic) { out = traffic; });
    io.run();
    return out;
  }

  Holdings holdings_;
  int opened_ = 0;
  FakeIpvs* kernel_ = nullptr;
  std::unique_ptr<FakeIpvs> made_ = [this] {
    auto made = std::make_unique<FakeIpvs>();
    kernel_ = made.get();
    return made;
  }();
  TrafficReader reader_{[this]() -> Result<std::unique_ptr<IpvsKernel>> {
    ++opened_;
    return std::unique_ptr<IpvsKernel>{std::move(made_)};
  }};
};

TEST_F(IpvsTraffic, IsThatOfAllVirtualServersOfAServicePort) {
  const auto a = endpoint("10.180.0.1"), b = endpoint("10.180.1.1");
  hold(kWeb, {key("10.96.0.1"), key("192.0.2.1")}, {a, b});
  const Statistics much{.connections = 7, .bytes_in = 700, .bytes_out = 7'000'000'000};
  const Statistics little{.connections = 1, .bytes_in = 10, .bytes_out = 100};
  kernel_->statistics[key("10.96.0.1")] = much;
  kernel_->statistics[key("192.0.2.1")] = little;
  kernel_->statistics_of_real[{key("10.96.0.1"), a}] = little;
  kernel_->statistics_of_real[{key("192.0.2.1"), a}] = little;
  kernel_->busy = {{key("10.96.0.1"), b}};
  EXPECT_EQ(opened_, 0) << "nobody has looked yet";
  const auto web = read({kWeb}).front();
  EXPECT_EQ(
      web.total,
      (TrafficCounts{.connections = 8, .open = 1, .bytes_in = 710, .bytes_out = 7'000'000'100}))
      << "more than its endpoints have: others have left";
  EXPECT_EQ(web.endpoints.at(a),
            (TrafficCounts{.connections = 2, .open = 0, .bytes_in = 20, .bytes_out = 200}));
  EXPECT_EQ(web.endpoints.at(b).open, 1U);
  EXPECT_EQ(opened_, 1);
}

TEST_F(IpvsTraffic, IsNotKnownOfWhatIsNotThere) {
  hold(kNames, {key("10.96.0.2", Protocol::udp)}, {});
  const auto both = read({kWeb, kNames});
  EXPECT_EQ(both[0], Traffic{}) << "nobody holds it";
  EXPECT_EQ(both[1].total.connections, 0U) << "a virtual server that nobody has come to";
  kernel_->has.clear();
  EXPECT_EQ(read({kNames}).front(), Traffic{}) << "somebody has removed it";
}

TEST_F(IpvsTraffic, IsThatOfTheServicePortThatHasAVirtualServerAlone) {
  hold(kWeb, {key("10.96.0.1")}, {endpoint("10.180.0.1")});
  const ServicePortName late{.service = {"ns2", "web"}, .port = "http"};
  hold(late, {key("10.96.0.1")}, {endpoint("10.180.0.9")});
  kernel_->statistics[key("10.96.0.1")].connections = 5;
  const auto both = read({kWeb, late});
  EXPECT_EQ(both[0].total.connections, 5U);
  EXPECT_FALSE(both[1].total.connections);
}

}  // namespace
}  // namespace modes::ipvs
