#include "hub/login/conversation.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <unistd.h>

#include <pwd.h>
#include <security/pam_appl.h>

#include "common/run_as.h"
#include "hub/login/accounts.h"
#include "hub/login/messages.h"

namespace tierhub::hub {
namespace {

// What the conversation of PAM needs.
struct Talk {
  int socket_fd = -1;
  const std::string& attempt;
  FrameReader reader{};
  std::string messages{};  // said since the last prompt
};

// What the person types; nothing if the parent is gone.
std::optional<std::string> ask(Talk& talk, const std::string& prompt, bool is_secret) {
  const Message question = {"prompt", talk.attempt, is_secret ? "1" : "0", prompt, talk.messages};
  talk.messages.clear();
  if (!send_message(talk.socket_fd, question)) return std::nullopt;
  while (true) {
    auto frames = talk.reader.receive(talk.socket_fd);
    if (!frames) return std::nullopt;
    if (frames->empty()) continue;
    const Message answer = unpack(frames->front().body);
    return answer.size() > 2 ? answer[2] : std::string();
  }
}

// https://www.man7.org/linux/man-pages/man3/pam_conv.3.html: the answers are freed by the module.
int converse_with_pam(int count, const pam_message** questions, pam_response** answers,
                      void* data) {
  auto& talk = *static_cast<Talk*>(data);
  if (count <= 0 || count > PAM_MAX_NUM_MSG) return PAM_CONV_ERR;
  auto* given =
      static_cast<pam_response*>(std::calloc(static_cast<size_t>(count), sizeof(pam_response)));
  if (given == nullptr) return PAM_BUF_ERR;
  for (int i = 0; i < count; ++i) {
    const int style = questions[i]->msg_style;
    const std::string text = questions[i]->msg != nullptr ? questions[i]->msg : "";
    if (style == PAM_TEXT_INFO || style == PAM_ERROR_MSG) {
      talk.messages += talk.messages.empty() ? text : "\n" + text;
      continue;
    }
    const auto answer = ask(talk, text, style == PAM_PROMPT_ECHO_OFF);
    if (!answer) std::_Exit(1);
    given[i].resp = ::strdup(answer->c_str());
  }
  *answers = given;
  return PAM_SUCCESS;
}

std::string reason_of(int result, const Talk& talk) {
  const std::string said = talk.messages.empty() ? "" : talk.messages + "\n";
  switch (result) {
    case PAM_AUTH_ERR:
    case PAM_USER_UNKNOWN:
    case PAM_MAXTRIES:
      return said + "The user name or the password is wrong.";
    case PAM_NEW_AUTHTOK_REQD:
      return said + "Your password has expired: change it, for instance by ssh, and try again.";
    case PAM_ACCT_EXPIRED:
    case PAM_PERM_DENIED:
      return said + "Your account may not sign in here: ask the administrator.";
    default:
      return said +
             "Nobody can sign in now: the administrator finds the reason in the system's log.";
  }
}

// Nothing was judged. Other results may be: what pam_exec calls an error of the system is its program's no.
bool is_trouble(int result) {
  return result == PAM_ABORT || result == PAM_AUTHINFO_UNAVAIL || result == PAM_BUF_ERR ||
         result == PAM_CONV_ERR;
}

Message attempt_result(pam_handle_t* pam, int result, const Talk& talk, const PamOptions& options) {
  if (result != PAM_SUCCESS) {
    const bool was_judged = pam != nullptr && !is_trouble(result);
    return {was_judged ? "wrong" : "trouble", talk.attempt, reason_of(result, talk)};
  }
  // A module may have changed the name.
  const void* name = nullptr;
  ::pam_get_item(pam, PAM_USER, &name);
  errno = 0;
  const passwd* entry = name != nullptr ? ::getpwnam(static_cast<const char*>(name)) : nullptr;
  if (entry == nullptr && !means_not_found(errno))
    return {"trouble", talk.attempt,
            "The system cannot look up accounts now: try again in a minute."};
  if (entry == nullptr || entry->pw_uid < options.first_uid) {
    return {"wrong", talk.attempt,
            "Only people sign in here, no accounts of the system: use your own account."};
  }
  return {"person", talk.attempt, std::to_string(entry->pw_uid), entry->pw_name};
}

int start_pam(const std::string& user, const pam_conv& conversation, const PamOptions& options,
              pam_handle_t** pam) {
  return options.folder.empty()
             ? ::pam_start(options.service.c_str(), user.c_str(), &conversation, pam)
             : ::pam_start_confdir(options.service.c_str(), user.c_str(), &conversation,
                                   options.folder.c_str(), pam);
}

int say_nothing(int, const pam_message**, pam_response**, void*) { return PAM_CONV_ERR; }

int verdict_of_pam(const std::string& user, const PamOptions& options) {
  const pam_conv conversation = {say_nothing, nullptr};
  pam_handle_t* pam = nullptr;
  int result = start_pam(user, conversation, options, &pam);
  if (result != PAM_SUCCESS) return 0;
  result = ::pam_acct_mgmt(pam, PAM_SILENT);
  ::pam_end(pam, result);
  switch (result) {
    case PAM_ACCT_EXPIRED:
    case PAM_AUTH_ERR:
    case PAM_PERM_DENIED:
      return kAccountIsClosed;
    case PAM_USER_UNKNOWN:
      return kAccountIsMissing;
    default:
      return 0;
  }
}

}  // namespace

void check_account_and_exit(const std::string& user, uint32_t uid,
                            const std::vector<uint32_t>& groups, const PamOptions& options) {
  switch (look_up_account(user, uid)) {
    case AccountState::same:
      break;
    case AccountState::another:
      std::_Exit(kAccountIsClosed);
    case AccountState::not_found:
      std::_Exit(kAccountIsMissing);
    case AccountState::unknown:
      std::_Exit(0);
  }
  const int verdict = verdict_of_pam(user, options);
  if (verdict != 0) std::_Exit(verdict);
  const auto account = find_account(uid, uid);
  // One that is not found by its number has that as its name, and no groups.
  const bool is_found = account && account->name != std::to_string(uid);
  std::_Exit(is_found && account->groups != groups ? kAccountHasOtherGroups : 0);
}

void converse(int socket_fd, const std::string& attempt, const std::string& user,
              const PamOptions& options) {
  Talk talk{socket_fd, attempt};
  const pam_conv conversation = {converse_with_pam, &talk};
  pam_handle_t* pam = nullptr;
  int result = start_pam(user, conversation, options, &pam);
  if (result == PAM_SUCCESS) result = ::pam_authenticate(pam, 0);
  if (result == PAM_SUCCESS) result = ::pam_acct_mgmt(pam, 0);
  const Message last = attempt_result(pam, result, talk, options);
  if (pam != nullptr) ::pam_end(pam, result);
  std::_Exit(send_message(socket_fd, last) ? 0 : 1);
}

}  // namespace tierhub::hub
