#include "compute/run/claim.h"

#include <limits>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "api/byte_text.h"
#include "formats/json.h"

namespace tierhub::compute {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr uint64_t kVersion = 1;
constexpr const char* kVersionKey = "tierhub_claim";

Error damaged(std::string_view why) {
  return {std::errc::invalid_argument, fmt::format("the record of the claim is damaged: {}", why)};
}

Result<uint32_t> get_number(const formats::Json& object, std::string_view key) {
  const std::optional<uint64_t> number = formats::get_unsigned(object, key);
  if (!number || *number > std::numeric_limits<uint32_t>::max()) {
    return damaged(fmt::format("{} is missing", key));
  }
  return static_cast<uint32_t>(*number);
}

Result<std::string> get_path(const formats::Json& object, std::string_view key) {
  const std::optional<std::string> text = formats::get_text(object, key);
  if (!text) return damaged(fmt::format("{} is missing", key));
  return api::from_wire_text(*text);
}

}  // namespace

std::string encode(const Claim& claim) {
  OrderedJson json = {{kVersionKey, kVersion},
                      {"jobs", api::to_wire_text(claim.jobs)},
                      {"file", api::to_wire_text(claim.file)}};
  if (claim.folder) json["folder"] = {{"uid", claim.folder->uid}, {"mode", claim.folder->mode}};
  if (claim.owner) json["owner"] = {{"uid", *claim.owner}, {"file_gid", claim.file_gid}};
  return json.dump() + "\n";
}

Result<Claim> decode_claim(std::string_view text) {
  TRY_ASSIGN(const formats::Json json, formats::parse_json(text, "the record of the claim"));
  TRY_ASSIGN(const uint32_t version, get_number(json, kVersionKey));
  if (version != kVersion) return damaged(fmt::format("version {} is not known", version));
  Claim claim;
  TRY_ASSIGN(claim.jobs, get_path(json, "jobs"));
  TRY_ASSIGN(claim.file, get_path(json, "file"));
  if (const formats::Json* folder = formats::find_member(json, "folder")) {
    DropFolder from;
    TRY_ASSIGN(from.uid, get_number(*folder, "uid"));
    TRY_ASSIGN(from.mode, get_number(*folder, "mode"));
    claim.folder = from;
  }
  if (const formats::Json* owner = formats::find_member(json, "owner")) {
    TRY_ASSIGN(claim.owner, get_number(*owner, "uid"));
    TRY_ASSIGN(claim.file_gid, get_number(*owner, "file_gid"));
  }
  return claim;
}

}  // namespace tierhub::compute
