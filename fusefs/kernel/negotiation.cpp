#include "fusefs/kernel/negotiation.h"

#include <algorithm>
#include <cstring>

namespace tierhub {

using namespace fuse_abi;

std::optional<KernelOffer> parse_init_request(std::span<const std::byte> request) {
  fuse_in_header header;
  if (request.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, request.data(), sizeof header);
  if (header.opcode != FUSE_INIT) return std::nullopt;
  fuse_init_in init{};
  const auto body = request.subspan(sizeof header);
  std::memcpy(&init, body.data(), std::min(body.size(), sizeof init));
  KernelOffer offer{header.unique, init.flags, 0};
  if ((init.flags & kInitExt) != 0) offer.flags2 = init.flags2;
  return offer;
}

void rename_tmpfile_request(std::span<std::byte> request) {
  fuse_in_header header;
  constexpr size_t kName = sizeof header + sizeof(fuse_create_in);
  if (request.size() < kName + kNoName.size() + 1) return;
  std::memcpy(&header, request.data(), sizeof header);
  if (header.opcode != kTmpfile) return;
  header.opcode = FUSE_CREATE;
  std::memcpy(request.data(), &header, sizeof header);
  std::memcpy(request.data() + kName, kNoName.data(), kNoName.size());
  request[kName + kNoName.size()] = std::byte{0};
}

InitReply extend_init_reply(std::span<const std::byte> body, const KernelOffer& offer,
                            UsePassthrough passthrough) {
  InitReply reply{};
  std::memcpy(&reply, body.data(), std::min(body.size(), sizeof reply));
  reply.flags |= offer.flags & (kParallelDirops | kHandleKillprivV2 | kInitExt);
  reply.flags2 |= offer.flags2 & kDirectIoAllowMmap;
  if (passthrough == UsePassthrough::yes && offer.passthrough()) {
    reply.flags2 |= kPassthrough;
    // Objects may not lie on a stacked file system themselves.
    reply.max_stack_depth = 1;
  }
  return reply;
}

}  // namespace tierhub
