#include "ringmain/resp/acl.h"

#include "ringmain/resp/commands.h"
#include "ringmain/resp/writer.h"

#include <vector>

#include "command_row.h"

namespace ringmain::resp {

namespace {

void write_names(std::string& out, std::span<const std::string_view> names) {
    write_array_header(out, names.size());
    for (const std::string_view name : names) {
        write_bulk(out, name);
    }
}

std::vector<std::string_view> names_in(uint32_t category) {
    std::vector<std::string_view> names;
    const auto add = [&names, category](const Command& row) {
        if (!row.hidden && (row.acl & category) != 0) names.push_back(row.name);
    };
    for (const Command& command : commands()) {
        add(command);
        for (const Command& subcommand : command.subcommands) {
            add(subcommand);
        }
    }
    return names;
}

}  // namespace

void answer_acl_cat(std::string& out, std::span<const std::string_view> arguments) {
    if (arguments.size() == 2) {
        write_names(out, acl_category_names());
        return;
    }
    if (arguments.size() > 3) {
        write_error(out,
                    "ERR unknown subcommand or wrong number of arguments for '" +
                        std::string(arguments[1].substr(0, 128)) + "'. Try ACL HELP.");
        return;
    }
    const uint32_t category = acl_category_of(arguments[2]);
    if (category == 0) {
        write_error(out, "ERR Unknown category '" + std::string(arguments[2].substr(0, 128)) + "'");
        return;
    }
    write_names(out, names_in(category));
}

}  // namespace ringmain::resp
