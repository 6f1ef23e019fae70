// A module of PAM that asks for a code, which is 1234.
#include <cstdlib>
#include <string_view>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

extern "C" int pam_sm_authenticate(pam_handle_t* pam, int, int, const char**) {
  char* code = nullptr;
  const int asked = ::pam_prompt(pam, PAM_PROMPT_ECHO_ON, &code, "Code: ");
  if (asked != PAM_SUCCESS || code == nullptr) return PAM_CONV_ERR;
  const bool is_right = std::string_view(code) == "1234";
  std::free(code);
  return is_right ? PAM_SUCCESS : PAM_AUTH_ERR;
}

extern "C" int pam_sm_setcred(pam_handle_t*, int, int, const char**) { return PAM_SUCCESS; }
