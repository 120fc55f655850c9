#include "ringmain/resp/command_list.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"

#include <algorithm>
#include <string_view>

namespace ringmain::resp {

namespace {

constexpr std::string_view head =
    "# The commands of Redis 7.0 and how a pool of several servers serves them. A line is a "
    "command\n"
    "# and, behind the blanks, who answers:\n"
    "#\n"
    "#   by key          the server of its key\n"
    "#   by keys         the server of its keys; when they live on several, the error -CROSSSLOT: "
    "a\n"
    "#                   common hash tag (hash_tag) keeps keys together\n"
    "#   by keys, or ..  the same, but keys on several servers are served as it says\n"
    "#   .. in steps     only with cross_server_writes = \"emulate\": what others can see between "
    "two\n"
    "#                   steps, and what is left when a step fails, stands behind it\n"
    "#   split           each server gets the keys that are its own, the answers are joined\n"
    "#   all servers     every server is asked, and while one is out an error names it\n"
    "#   any server      the first that is in: all give the same answer\n"
    "#   ringmain        no server is asked\n"
    "#   transaction     begins or ends one on the server of its keys\n"
    "#   refused         an error with this reason; the connection goes on\n"
    "#\n";

std::string_view text_of(Gathering gathering) {
    switch (gathering) {
        case Gathering::None:
            break;
        case Gathering::Sum:
            return "the sum of their numbers";
        case Gathering::Smallest:
            return "the smallest of their numbers";
        case Gathering::And:
            return "1 where all say 1, and of what they would be told first";
        case Gathering::AllOk:
            return "OK when all say so";
        case Gathering::Alike:
            return "what all say, an error when they differ";
        case Gathering::AnyOne:
            return "one of their answers by chance, none when none has one";
        case Gathering::Concat:
            return "their answers one behind the other";
        case Gathering::Newest:
            return "the latest entries of all";
        case Gathering::Texts:
            return "their texts, each under its server's name";
        case Gathering::Running:
            return "that of a server which runs a script, else the first's";
        case Gathering::Keyspace:
            return "ringmain, and of all servers what they hold and do, added up";
        case Gathering::Largest:
            return "the largest of their numbers";
        case Gathering::PerChannel:
            return "of each channel its own server's number";
        case Gathering::Page:
            return "one after the other; the cursor names the server";
        case Gathering::Union:
        case Gathering::Inter:
        case Gathering::InterCard:
        case Gathering::Diff:
        case Gathering::Zunion:
        case Gathering::Zinter:
        case Gathering::ZinterCard:
        case Gathering::Zdiff:
        case Gathering::PfCount:
        case Gathering::Lcs:
            return "computed of what the servers hold";
    }
    RM_ASSERT(false);
}

std::string_view text_of(ResponsePolicy response) {
    switch (response) {
        case ResponsePolicy::PerKey:
            return "the values in the order of the keys";
        case ResponsePolicy::AggSum:
            return "the sum of their numbers";
        case ResponsePolicy::AllSucceeded:
            return "OK when all say so";
        case ResponsePolicy::One:
        case ResponsePolicy::Script:
        case ResponsePolicy::Gathered:
            break;
    }
    RM_ASSERT(false);
}

std::string_view text_of(Crossing crossing) {
    switch (crossing) {
        case Crossing::Refused:
            return "";
        case Crossing::Popped:
            return ", or in turn: each server is asked in the order of the keys, one at a time";
        case Crossing::Carried:
            return ", or in steps: the sources are read, then the destination is written at once";
        case Crossing::Renamed:
            return ", or in steps: the destination is written, then the source removed unless it "
                   "was changed, else again: for a moment, or when that fails, there are both";
        case Crossing::RenamedNx:
            return ", or in steps: as RENAME, but a source that was changed is an error, and there "
                   "are both";
        case Crossing::Moved:
            return ", or in steps: added there, then removed here: for a moment, or when that "
                   "fails, both have the member";
    }
    RM_ASSERT(false);
}

std::string how_served(const Command& command) {
    std::string text;
    switch (command.handling) {
        case Handling::Forward:
            text = command.only_key == 0 ? "by keys" : "by key";
            if (command.id == CommandId::Evalsha) {
                text += ", which is told first what SCRIPT LOAD or EVAL has left anywhere";
            }
            text += text_of(command.crossing);
            return text;
        case Handling::Combine:
            return text.append("by keys, or ").append(text_of(command.gathering));
        case Handling::Split:
            return text.append("split: ").append(text_of(command.response));
        case Handling::Gather:
            text.append("all servers: ").append(text_of(command.gathering));
            if ((command.flags & command_flag::pubsub) != 0 &&
                command.gathering == Gathering::Concat) {
                text += ", each name once";
            }
            if (command.id == CommandId::Config) text += " (with config_commands = true)";
            return text;
        case Handling::AnyServer:
            return "any server";
        case Handling::Local:
            if (command.id == CommandId::Info) return std::string(text_of(Gathering::Keyspace));
            return "ringmain";
        case Handling::Transaction:
            return "transaction";
        case Handling::Blocking:
            if (command.id == CommandId::Wait) {
                return "all servers: the smallest of their numbers, waiting on connections of the "
                       "client's own";
            }
            text = "by keys, waiting on a connection of the client's own";
            if (command.crossing == Crossing::Popped) {
                text +=
                    ", or in turn: each server is asked in the order of the keys, then one after "
                    "the other is waited on";
            }
            return text;
        case Handling::Publish:
            return "by channel, placed like a key; clients of ringmain are counted one by one";
        case Handling::Subscribe:
            return "ringmain, with one subscription for all clients of a worker";
        case Handling::Refused:
            return text.append("refused: ").append(command.reason);
    }
    RM_ASSERT(false);
}

void append_line(const Command& command, std::string& out) {
    constexpr size_t column = 28;
    if (command.hidden) return;
    std::string line;
    for (const char byte : command.name) {
        line += byte == '|' ? ' ' : ascii::upper(byte);
    }
    line.resize(std::max(column, line.size() + 1), ' ');
    out.append(line).append(how_served(command)).append("\n");
}

}  // namespace

std::string commands_text() {
    std::string out(head);
    for (const Command& command : commands()) {
        if (command.subcommands.empty()) append_line(command, out);
        // COMMAND alone is a command, too.
        const bool stands_alone = command.arity == -1 && !command.subcommands.empty();
        if (stands_alone) append_line(command, out);
        for (const Command& subcommand : command.subcommands) {
            append_line(subcommand, out);
        }
    }
    return out;
}

}  // namespace ringmain::resp
