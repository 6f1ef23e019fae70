// The few pages that exist without the application: they need no script.
#pragma once

#include <string>
#include <vector>

#include "http/message.h"
#include "hub/front/sign_in.h"

namespace tierhub::hub {

// A sentence in large letters, and what to do.
http::Response message_page(int status, const std::string& heading, const std::string& text);

// Asks for a name and a password.
http::Response name_page(int status, const std::string& complaint = {});
// Asks what the system's login asks next, in the attempt of that number.
http::Response prompt_page(const std::string& attempt, const SignIn::Prompt& prompt);

inline constexpr const char* kStyleSheetPath = "/tierweb.css";
http::Response style_sheet();

// `text` as text in HTML, whatever it contains.
std::string escape_html(const std::string& text);

}  // namespace tierhub::hub
