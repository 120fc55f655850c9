// The options of a user of a pool.

#include <array>

#include "address.h"
#include "option_rows.h"

namespace ringmain::config {

namespace {

std::span<const std::string_view> access_names() {
    static constexpr std::array<std::string_view, 2> names = {"read-write", "read-only"};
    return names;
}

constexpr std::array user_table = {
    Option{.section = Section::User,
           .name = "name",
           .type = Type::String,
           .min = 1,
           .max = name_size_max,
           .store = store<&User::name>,
           .fetch = fetch<&User::name>,
           .example = "\"app\"",
           .help = "what AUTH and HELLO say",
           .required = true},
    Option{.section = Section::User,
           .name = "password",
           .type = Type::String,
           .min = 1,
           .max = 16384,  // what redis takes before AUTH
           .store = store<&User::password>,
           .fetch = fetch<&User::password>,
           .example = "\"secret\"",
           .help = "its password",
           .doc = "Any text. It is never printed.",
           .secret = true},
    Option{.section = Section::User,
           .name = "password_sha256",
           .type = Type::String,
           .min = 1,
           .max = 64,
           .store = store<&User::password_sha256>,
           .fetch = fetch<&User::password_sha256>,
           .example = "\"2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b\"",
           .help = "instead of the password, its SHA-256 in hexadecimal digits",
           .doc = "printf %s PASSWORD | sha256sum",
           .secret = true},
    Option{.section = Section::User,
           .name = "access",
           .type = Type::Enum,
           .names = access_names,
           .store = store<&User::access>,
           .fetch = fetch<&User::access>,
           .help = "whether it may change data",
           .doc = "Who only reads may run no command that writes, and no script or function but "
                  "by EVAL_RO, EVALSHA_RO and FCALL_RO."},
    Option{.section = Section::User,
           .name = "keys",
           .type = Type::Strings,
           .max = 512,
           .store = store<&User::keys>,
           .fetch = fetch<&User::keys>,
           .example = "[\"shop:\"]",
           .help = "how its keys must begin, one of these; left out: it may use all keys",
           .doc = "Channels likewise. With it, what looks at all keys (KEYS, SCAN, DBSIZE, "
                  "RANDOMKEY, FLUSHALL), at keys that it does not name (scripts, functions, SORT "
                  "with BY or GET, patterns of channels) or at others' commands (SLOWLOG and the "
                  "like) is refused, and so are commands that ringmain does not know. INFO is not, "
                  "which counts everybody's keys and commands: \"-info\" in commands does that."},
    Option{.section = Section::User,
           .name = "commands",
           .type = Type::Strings,
           .max = 64,
           .store = store<&User::commands>,
           .fetch = fetch<&User::commands>,
           .example = "[\"-@dangerous\", \"+keys\"]",
           .help = "what it may run, as redis's ACL has it: the last rule that fits decides",
           .doc = "Without a rule, and before a first rule that begins with -, all commands are "
                  "allowed; before one that begins with +, none. What a script or function runs is "
                  "not looked at: for who may not run all commands it takes a rule that names "
                  "them, or +@scripting."},
};

}  // namespace

std::span<const Option> user_options() {
    return user_table;
}

}  // namespace ringmain::config
