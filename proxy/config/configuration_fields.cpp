#include "proxy/config/configuration_file.hpp"

namespace proxy::config {
namespace {

using enum FlagType;

constexpr std::string_view kNoNftables = "there is no nftables mode";
constexpr std::string_view kWindows = "it is for Windows";
constexpr bool kZeroCounts = false;

constexpr ConfigurationField kFields[] = {
    {"featureGates", "feature-gates", "", map},
    {"clientConnection.kubeconfig", "kubeconfig"},
    {"clientConnection.acceptContentTypes", "", "", text, true, "the API is spoken in JSON"},
    {"clientConnection.contentType", "kube-api-content-type",
     "application/vnd.kubernetes.protobuf"},
    {"clientConnection.qps", "kube-api-qps", "5", decimal},
    {"clientConnection.burst", "kube-api-burst", "10", integer},
    {"logging.format", "logging-format", "text"},
    {"logging.flushFrequency", "log-flush-frequency", "5s", duration},
    {"logging.verbosity", "v", "0", integer},
    {"logging.vmodule", "vmodule", "", list},
    {"logging.options.text.splitStream", "log-text-split-stream", "false", boolean},
    {"logging.options.text.infoBufferSize", "log-text-info-buffer-size", "0", quantity},
    {"logging.options.json.splitStream", "log-json-split-stream", "false", boolean},
    {"logging.options.json.infoBufferSize", "log-json-info-buffer-size", "0", quantity},
    {"hostnameOverride", "hostname-override"},
    {"bindAddress", "bind-address", "0.0.0.0", ip},
    {"healthzBindAddress", "healthz-bind-address", "", socket_address},
    {"metricsBindAddress", "metrics-bind-address", "", socket_address},
    {"bindAddressHardFail", "bind-address-hard-fail", "false", boolean},
    {"enableProfiling", "profiling", "false", boolean},
    {"showHiddenMetricsForVersion", "show-hidden-metrics-for-version"},
    {"mode", "proxy-mode"},
    {"iptables.masqueradeBit", "iptables-masquerade-bit", "14", integer, kZeroCounts},
    {"iptables.masqueradeAll", "masquerade-all", "false", boolean},
    {"iptables.localhostNodePorts", "iptables-localhost-nodeports", "true", boolean, kZeroCounts},
    {"iptables.syncPeriod", "iptables-sync-period", "30s", duration},
    {"iptables.minSyncPeriod", "iptables-min-sync-period", "1s", duration},
    {"ipvs.syncPeriod", "ipvs-sync-period", "30s", duration},
    {"ipvs.minSyncPeriod", "ipvs-min-sync-period", "0s", duration},
    {"ipvs.scheduler", "ipvs-scheduler"},
    {"ipvs.excludeCIDRs", "ipvs-exclude-cidrs", "", list},
    {"ipvs.strictARP", "ipvs-strict-arp", "false", boolean},
    {"ipvs.tcpTimeout", "ipvs-tcp-timeout", "0s", duration},
    {"ipvs.tcpFinTimeout", "ipvs-tcpfin-timeout", "0s", duration},
    {"ipvs.udpTimeout", "ipvs-udp-timeout", "0s", duration},
    {"nftables.masqueradeBit", "", "14", integer, kZeroCounts, kNoNftables},
    {"nftables.masqueradeAll", "", "false", boolean, true, kNoNftables},
    {"nftables.syncPeriod", "", "30s", duration, true, kNoNftables},
    {"nftables.minSyncPeriod", "", "1s", duration, true, kNoNftables},
    {"winkernel.networkName", "", "", text, true, kWindows},
    {"winkernel.sourceVip", "", "", text, true, kWindows},
    {"winkernel.enableDSR", "", "false", boolean, true, kWindows},
    {"winkernel.rootHnsEndpointName", "", "", text, true, kWindows},
    {"winkernel.forwardHealthCheckVip", "", "false", boolean, true, kWindows},
    {"detectLocalMode", "detect-local-mode"},
    {"detectLocal.bridgeInterface", "pod-bridge-interface"},
    {"detectLocal.interfaceNamePrefix", "pod-interface-name-prefix"},
    {"clusterCIDR", "cluster-cidr"},
    {"nodePortAddresses", "nodeport-addresses", "", list},
    {"oomScoreAdj", "oom-score-adj", "-999", integer, kZeroCounts},
    {"conntrack.maxPerCore", "conntrack-max-per-core", "32768", integer, kZeroCounts},
    {"conntrack.min", "conntrack-min", "131072", integer, kZeroCounts},
    {"conntrack.tcpEstablishedTimeout", "conntrack-tcp-timeout-established", "24h0m0s", duration,
     kZeroCounts},
    {"conntrack.tcpCloseWaitTimeout", "conntrack-tcp-timeout-close-wait", "1h0m0s", duration,
     kZeroCounts},
    {"conntrack.tcpBeLiberal", "conntrack-tcp-be-liberal", "false", boolean},
    {"conntrack.udpTimeout", "conntrack-udp-timeout", "0s", duration},
    {"conntrack.udpStreamTimeout", "conntrack-udp-timeout-stream", "0s", duration},
    {"configSyncPeriod", "config-sync-period", "15m0s", duration},
    {"portRange", "", "", text, true, "kube-proxy does not follow it either"},
    {"windowsRunAsService", "", "false", boolean, true, kWindows},
};

}  // namespace

std::span<const ConfigurationField> configuration_fields() {
  return kFields;
}

}  // namespace proxy::config
