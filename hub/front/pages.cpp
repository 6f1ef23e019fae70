#include "hub/front/pages.h"

#include <fmt/format.h>

namespace tierhub::hub {
namespace {

http::Response page(int status, const std::string& title, const std::string& content) {
  http::Response response;
  response.status = status;
  response.content_type = "text/html; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "no-store");
  response.body = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
      "<title>{} - TierHub</title><link rel=\"stylesheet\" href=\"{}\"></head>\n"
      "<body><main><p class=\"name\">TierHub</p>\n{}\n</main></body></html>\n",
      escape_html(title), kStyleSheetPath, content);
  return response;
}

std::string complaint_of(const std::string& text) {
  return text.empty() ? "" : fmt::format("<p role=\"alert\">{}</p>\n", escape_html(text));
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

http::Response message_page(int status, const std::string& heading, const std::string& text) {
  return page(status, heading,
              fmt::format("<h1>{}</h1>\n<p>{}</p>", escape_html(heading), escape_html(text)));
}

http::Response name_page(int status, const std::string& complaint) {
  return page(status, "Sign in",
              "<h1>Sign in</h1>\n" + complaint_of(complaint) +
                  "<form method=\"post\" action=\"/login\">\n"
                  "<label>User name <input name=\"user\" autocomplete=\"username\" "
                  "autocapitalize=\"none\" required autofocus></label>\n"
                  "<label>Password <input name=\"password\" type=\"password\" "
                  "autocomplete=\"current-password\" required></label>\n"
                  "<button>Sign in</button>\n</form>\n"
                  "<p>Your account of this server.</p>");
}

http::Response prompt_page(const std::string& attempt, const SignIn::Prompt& prompt) {
  return page(200, "Sign in",
              "<h1>Sign in</h1>\n" + complaint_of(prompt.messages) +
                  fmt::format("<form method=\"post\" action=\"/login\">\n"
                              "<input type=\"hidden\" name=\"attempt\" value=\"{}\">\n"
                              "<label>{} <input name=\"answer\" type=\"{}\" "
                              "autocomplete=\"one-time-code\" autofocus></label>\n"
                              "<button>Continue</button>\n</form>",
                              escape_html(attempt), escape_html(prompt.text),
                              prompt.is_secret ? "password" : "text"));
}

http::Response style_sheet() {
  http::Response response;
  response.content_type = "text/css; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "public, max-age=3600");
  response.body = R"(:root { color-scheme: light dark; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f4f5f7, #14171b); color: light-dark(#1c2229, #e4e7eb); }
main { width: min(24rem, 100vw - 3rem); padding: 2rem 0; }
.name { margin: 0; font-weight: 600; letter-spacing: .02em; color: light-dark(#0b6e75, #4fc3c9); }
h1 { margin: .25rem 0 1rem; font-size: 1.5rem; line-height: 1.25; }
form { display: grid; gap: 1rem; margin: 1rem 0; }
label { display: grid; gap: .25rem; font-size: .875rem; }
input, button { font: inherit; padding: .5rem .75rem; border-radius: 6px; border: 1px solid light-dark(#a9b1bb, #4a535d);
  background: light-dark(#fff, #1d2227); color: inherit; }
button { border: 0; background: #0b6e75; color: #fff; font-weight: 600; cursor: pointer; }
:is(input, button):focus-visible { outline: 2px solid light-dark(#0b6e75, #4fc3c9); outline-offset: 2px; }
[role=alert] { padding: .5rem .75rem; border-left: 3px solid #c2452d; background: light-dark(#fbeeeb, #2f1d19); white-space: pre-line; }
)";
  return response;
}

}  // namespace tierhub::hub
