// Reports our progress to systemd, if it started us with Type=notify.
#pragma once

#include <string>

namespace tierhub {

// `state` as in sd_notify(3), such as "READY=1". Does nothing without NOTIFY_SOCKET.
void notify_service_manager(const std::string& state);

}  // namespace tierhub
