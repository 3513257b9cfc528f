#include "proxy/explain/document.hpp"

#include "proxy/status/json.hpp"

#include <fmt/format.h>
#include <simdjson.h>

namespace proxy::explain {
namespace {

// The text member; empty if there is none.
Result<std::string> text_member(const simdjson::dom::element& request, const char* name) {
  const auto member = request[name];
  if (member.error() == simdjson::NO_SUCH_FIELD) return std::string{};
  std::string_view text;
  if (member.get(text) != simdjson::SUCCESS) return invalid(fmt::format("{}: is no text", name));
  return std::string{text};
}

}  // namespace

Result<Question> question_from(std::string_view request) {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
  if (parser.parse(request.data(), request.size()).get(root) != simdjson::SUCCESS) {
    return invalid("the request is no JSON");
  }
  const auto packet = text_member(root, "packet");
  if (!packet) return packet.error();
  auto question = parse_question(*packet);
  if (!question) return within("packet", question.error());
  const auto from = text_member(root, "from");
  if (!from) return from.error();
  if (from->empty()) return question;
  const auto address = parse_ip(*from);
  if (!address) return within("from", address.error());
  if (address->family() != question->to.family()) {
    return invalid(fmt::format("from: {} is of the other IP family", *from));
  }
  question->from = *address;
  return question;
}

std::string explanation_document(const Question& question, const Explanation& explanation,
                                 const Circumstances& circumstances) {
  status::JsonWriter json;
  const auto texts = [&](std::string_view name, const std::vector<std::string>& lines) {
    json.key(name).begin_array();
    for (const auto& line : lines) json.text(line);
    json.end_array();
  };
  json.begin_object();
  json.key("to").text(state::Endpoint{question.to, question.port}.text());
  json.key("protocol").text(upper_name(question.protocol));
  if (question.from) json.key("from").text(question.from->text());
  json.key("fate").text(to_string(explanation.fate));
  if (explanation.service) {
    json.key("service").text(explanation.service->text());
    json.key("by").text(explanation.by);
  }
  texts("because", explanation.because);
  json.key("endpoints").begin_array();
  for (const auto& [endpoint, sees] : explanation.destinations) {
    json.begin_object();
    json.key("address").text(endpoint.text());
    json.key("sees").text(to_string(sees));
    json.end_object();
  }
  json.end_array();
  json.key("mode").text(circumstances.mode);
  texts("places", circumstances.places);
  if (!circumstances.set_aside.empty()) json.key("setAside").text(circumstances.set_aside);
  json.end_object();
  return json.take();
}

}  // namespace proxy::explain
