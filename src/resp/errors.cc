#include "ringmain/resp/errors.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/resp/writer.h"

namespace ringmain::resp {

namespace {

// Redis prints arguments as C strings.
std::string_view shown(std::string_view argument, size_t size_max) {
    return argument.substr(0, argument.find('\0')).substr(0, size_max);
}

std::string line(std::string_view text) {
    std::string result;
    write_error(result, text);
    return result;
}

}  // namespace

std::string unknown_command(std::span<const std::string> arguments) {
    RM_ASSERT(!arguments.empty());
    std::string list;
    for (const std::string& argument : arguments.subspan(1)) {
        if (list.size() >= shown_size_max) break;
        const std::string_view head = shown(argument, shown_size_max - list.size());
        list.append("'").append(head).append("' ");
    }
    std::string text = "ERR unknown command '";
    text.append(shown(arguments[0], shown_size_max)).append("', with args beginning with: ");
    return line(text.append(list));
}

std::string unknown_subcommand(const Command& container, std::string_view subcommand) {
    std::string text = "ERR unknown subcommand '";
    text.append(shown(subcommand, shown_size_max)).append("'. Try ");
    for (const char byte : container.name) {
        text.push_back(ascii::upper(byte));
    }
    return line(text.append(" HELP."));
}

std::string wrong_arity(const Command& command) {
    std::string text = "ERR wrong number of arguments for '";
    return line(text.append(command.name).append("' command"));
}

}  // namespace ringmain::resp
