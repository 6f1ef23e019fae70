// What the kernel offers when a session starts (INIT), and what we answer beyond libfuse 3.14:
// passthrough, parallel lookups in one folder, and clearing set-user-id ourselves. Pure functions
// on the bytes that libfuse reads from and writes to the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "fusefs/kernel/kernel_layout.h"

namespace tierhub {

struct KernelOffer {
  uint64_t unique = 0;  // of the INIT request
  uint32_t flags = 0;
  uint32_t flags2 = 0;  // 0 if the kernel is too old to have them
  bool passthrough() const { return (flags2 & fuse_abi::kPassthrough) != 0; }
  // Requests can be given to another process (Linux 6.9).
  bool resend() const { return (flags2 & fuse_abi::kHasResend) != 0; }
};

// `request`: a request as read from the device. none: it is not an INIT.
std::optional<KernelOffer> parse_init_request(std::span<const std::byte> request);

// O_TMPFILE comes as FUSE_TMPFILE, which libfuse 3.14 refuses. Its body and its answer are those of
// CREATE: it is handed on as one, with a name that no file can have.
inline constexpr std::string_view kNoName = "/";
void rename_tmpfile_request(std::span<std::byte> request);

enum class UsePassthrough { no, yes };

// `body`: libfuse's reply to INIT, without its header. Adds what the kernel offers and we want;
// nothing that it does not offer.
fuse_abi::InitReply extend_init_reply(std::span<const std::byte> body, const KernelOffer& offer,
                                      UsePassthrough passthrough);

}  // namespace tierhub
