// Certificates for tests, made as they are needed: an authority, and what it signs.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace fakes {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

class CertificateAuthority {
 public:
  CertificateAuthority();
  ~CertificateAuthority();
  CertificateAuthority(const CertificateAuthority&) = delete;
  CertificateAuthority& operator=(const CertificateAuthority&) = delete;

  [[nodiscard]] const std::string& certificate() const;  // PEM
  // For a server or a client. `names` as OpenSSL writes them: "IP:127.0.0.1", "DNS:api".
  [[nodiscard]] KeyPair issue(const std::string& common_name,
                              const std::vector<std::string>& names = {}) const;
  // One whose time is over.
  [[nodiscard]] KeyPair issue_expired(const std::string& common_name,
                                      const std::vector<std::string>& names) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fakes
