#include "tests/fakes/api_server/certificates.hpp"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <atomic>
#include <stdexcept>

namespace fakes {
namespace {

template <auto Free>
struct Releaser {
  void operator()(auto* handle) const noexcept { Free(handle); }
};
using Key = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Releaser<X509_free>>;
using Bio = std::unique_ptr<BIO, Releaser<BIO_free>>;

constexpr long kDay = 86400;

void check(bool good) {
  if (!good) throw std::runtime_error{"OpenSSL cannot make a certificate"};
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<std::size_t>(size)};
}
std::string pem(X509* certificate) {
  const Bio bio{BIO_new(BIO_s_mem())};
  check(PEM_write_bio_X509(bio.get(), certificate) == 1);
  return text_of(bio.get());
}
std::string pem(EVP_PKEY* key) {
  const Bio bio{BIO_new(BIO_s_mem())};
  check(PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1);
  return text_of(bio.get());
}

Key new_key() {
  Key key{EVP_EC_gen("P-256")};
  check(key != nullptr);
  return key;
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  check(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1);
  X509_EXTENSION_free(extension);
}

Certificate new_certificate(EVP_PKEY* key, const std::string& common_name, long from, long until) {
  static std::atomic<long> serial{1};
  Certificate certificate{X509_new()};
  check(certificate != nullptr);
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial++);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), from);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), until);
  auto* name = X509_get_subject_name(certificate.get());
  check(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                   reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                   -1, 0) == 1);
  check(X509_set_pubkey(certificate.get(), key) == 1);
  return certificate;
}

}  // namespace

struct CertificateAuthority::Impl {
  Key key = new_key();
  Certificate certificate = new_certificate(key.get(), "test authority", -kDay, kDay);
  std::string text;

  Impl() {
    auto* own = certificate.get();
    X509_set_issuer_name(own, X509_get_subject_name(own));
    extend(own, own, NID_basic_constraints, "critical,CA:TRUE");
    extend(own, own, NID_key_usage, "critical,keyCertSign");
    check(X509_sign(own, key.get(), EVP_sha256()) != 0);
    text = pem(own);
  }

  KeyPair issue(const std::string& common_name, const std::vector<std::string>& names, long from,
                long until) const {
    const auto subject_key = new_key();
    const auto subject = new_certificate(subject_key.get(), common_name, from, until);
    X509_set_issuer_name(subject.get(), X509_get_subject_name(certificate.get()));
    extend(subject.get(), certificate.get(), NID_basic_constraints, "critical,CA:FALSE");
    extend(subject.get(), certificate.get(), NID_ext_key_usage, "serverAuth,clientAuth");
    std::string list;
    for (const auto& name : names) list += (list.empty() ? "" : ",") + name;
    if (!list.empty()) extend(subject.get(), certificate.get(), NID_subject_alt_name, list);
    check(X509_sign(subject.get(), key.get(), EVP_sha256()) != 0);
    return {.certificate = pem(subject.get()), .key = pem(subject_key.get())};
  }
};

CertificateAuthority::CertificateAuthority() : impl_{std::make_unique<Impl>()} {}
CertificateAuthority::~CertificateAuthority() = default;

const std::string& CertificateAuthority::certificate() const {
  return impl_->text;
}
KeyPair CertificateAuthority::issue(const std::string& common_name,
                                    const std::vector<std::string>& names) const {
  return impl_->issue(common_name, names, -kDay, kDay);
}
KeyPair CertificateAuthority::issue_expired(const std::string& common_name,
                                            const std::vector<std::string>& names) const {
  return impl_->issue(common_name, names, -2 * kDay, -kDay);
}

}  // namespace fakes
