// Files and folders in incoming/ that are not workflows: which names look like a mistake, and the
// text of the note written next to them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tierhub::compute {

// "count.yaml.txt.README", for count.yaml.txt.
std::string note_name(std::string_view name);
bool is_note(std::string_view name);

// What to write into the note beside a file that is not taken. Nothing if its name is that of a
// workflow, or is one that programs give to what is not meant to stay: they are left alone.
std::optional<std::string> advice_on_file(std::string_view name);
// The same for a folder that is not called like its owner.
std::optional<std::string> advice_on_folder(std::string_view name, std::string_view owner);

}  // namespace tierhub::compute
