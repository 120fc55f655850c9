#include "resp_local.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/base/version.h"
#include "ringmain/core/limits.h"
#include "ringmain/resp/acl.h"
#include "ringmain/resp/arguments.h"
#include "ringmain/resp/command_info.h"
#include "ringmain/resp/errors.h"
#include "ringmain/resp/writer.h"

#include <algorithm>

#include "client_text.h"

namespace ringmain::core {

namespace {

class LocalAnswer {
  public:
    LocalAnswer(Proxy& proxy,
                ClientConn& client,
                const Command& command,
                const Bytes& bytes,
                std::span<const ByteRange> arguments)
        : proxy_(proxy), client_(client), command_(command), request_size_(bytes.size()) {
        texts_ = resp::texts_of(bytes, arguments);
    }

    Taken give();

  private:
    void ping();
    void auth();
    Taken hello();

    // What HELLO asks for besides the version.
    struct HelloOptions {
        const std::string* name = nullptr;
        const User* user = nullptr;
    };

    [[nodiscard]] bool read_hello_options(HelloOptions& hello);
    Taken select();
    Taken reset();
    void time();
    void client();
    void client_setname();
    void client_setinfo();
    void client_list();
    void client_tracking();
    void client_switch();
    void client_reply();
    void acl();
    void command();

    [[nodiscard]] std::optional<const User*> admit(const std::string& name,
                                                   std::string_view password) const;

    void reply(std::string_view text) { proxy_.answer(client_, text); }

    void error(std::string_view text);
    void answer_error(std::string_view line);
    void set_authenticated(bool authenticated);

    [[nodiscard]] resp::Version version() const { return resp::version_of(client_.resp3); }

    Proxy& proxy_;
    ClientConn& client_;
    const Command& command_;
    uint32_t request_size_;
    std::vector<std::string> texts_;
};

void LocalAnswer::error(std::string_view text) {
    std::string line;
    resp::write_error(line, text);
    answer_error(line);
}

// What is not redis's is a limit of ringmain's here.
void LocalAnswer::answer_error(std::string_view line) {
    const bool is_limit = line.starts_with("-ERR ringmain: ");
    const stats::Reason reason = is_limit ? stats::Reason::Limit : stats::Reason::Request;
    proxy_.answer_error(client_, line, false, reason);
}

// NOLINTNEXTLINE(readability-function-size): a line for each command.
Taken LocalAnswer::give() {
    std::string text;
    switch (command_.id) {
        case CommandId::Ping:
            ping();
            break;
        case CommandId::Echo:
            resp::write_bulk(text, texts_[1]);
            reply(text);
            break;
        case CommandId::Quit:
            proxy_.answer(client_, resp::ok_response, true);
            break;
        case CommandId::Auth:
            auth();
            break;
        case CommandId::Hello:
            return hello();
        case CommandId::Select:
            return select();
        case CommandId::Time:
            time();
            break;
        case CommandId::Reset:
            return reset();
        case CommandId::AclCat:
        case CommandId::AclWhoami:
            acl();
            break;
        case CommandId::ClientGetname:
        case CommandId::ClientGetredir:
        case CommandId::ClientId:
        case CommandId::ClientInfo:
        case CommandId::ClientList:
        case CommandId::ClientNoEvict:
        case CommandId::ClientNoTouch:
        case CommandId::ClientReply:
        case CommandId::ClientSetinfo:
        case CommandId::ClientSetname:
        case CommandId::ClientTrackinginfo:
            client();
            break;
        case CommandId::Client:
        case CommandId::Command:
        case CommandId::CommandCount:
        case CommandId::CommandDocs:
        case CommandId::CommandGetkeys:
        case CommandId::CommandGetkeysandflags:
        case CommandId::CommandHelp:
        case CommandId::CommandInfo:
        case CommandId::CommandList:
            command();
            break;
        case CommandId::Other:
        case CommandId::Mget:
        case CommandId::Mset:
        case CommandId::Del:
        case CommandId::Unlink:
        case CommandId::Exists:
        case CommandId::Touch:
        case CommandId::Multi:
        case CommandId::Exec:
        case CommandId::Discard:
        case CommandId::Watch:
        case CommandId::Unwatch:
        case CommandId::Info:
        case CommandId::Config:
        case CommandId::Eval:
        case CommandId::Evalsha:
        case CommandId::ScriptExists:
        case CommandId::ScriptFlush:
        case CommandId::ScriptLoad:
        case CommandId::Wait:
        case CommandId::Subscribe:
        case CommandId::Psubscribe:
        case CommandId::Ssubscribe:
        case CommandId::Unsubscribe:
        case CommandId::Punsubscribe:
        case CommandId::Sunsubscribe:
            RM_ASSERT(false);
    }
    return Taken::Yes;
}

void LocalAnswer::client() {
    std::string text;
    if (command_.id == CommandId::ClientGetname && client_.called().name.empty()) {
        resp::write_null(text, version());
        reply(text);
    } else if (command_.id == CommandId::ClientGetname) {
        resp::write_bulk(text, client_.called().name);
        reply(text);
    } else if (command_.id == CommandId::ClientId) {
        resp::write_integer(text, static_cast<int64_t>(client_.id));
        reply(text);
    } else if (command_.id == CommandId::ClientInfo) {
        resp::write_text(text, client_info_text(proxy_, client_, request_size_), version());
        reply(text);
    } else if (command_.id == CommandId::ClientList) {
        client_list();
    } else if (command_.id == CommandId::ClientSetinfo) {
        client_setinfo();
    } else if (command_.id == CommandId::ClientSetname) {
        client_setname();
    } else if (command_.id == CommandId::ClientReply) {
        client_reply();
    } else if (command_.id == CommandId::ClientGetredir ||
               command_.id == CommandId::ClientTrackinginfo) {
        client_tracking();
    } else {
        client_switch();
    }
}

void LocalAnswer::ping() {
    const bool confined = is_subscribed(client_) && !client_.resp3;
    if (texts_.size() <= 2 && confined) {
        std::string text;
        resp::write_array_header(text, 2);
        resp::write_bulk(text, "pong");
        resp::write_bulk(text, texts_.size() == 2 ? texts_[1] : "");
        reply(text);
        return;
    }
    if (texts_.size() == 1) {
        reply("+PONG\r\n");
        return;
    }
    if (texts_.size() > 2) {
        proxy_.answer_error(client_, resp::wrong_arity(command_));
        return;
    }
    std::string text;
    resp::write_bulk(text, texts_[1]);
    reply(text);
}

void LocalAnswer::set_authenticated(bool authenticated) {
    client_.authenticated = authenticated;
    if (client_.intake != nullptr) client_.intake->update(client_);
}

constexpr std::string_view wrong_password =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Whom name and password admit: a user, or null for who may do everything.
std::optional<const User*> LocalAnswer::admit(const std::string& name,
                                              std::string_view password) const {
    const Pool& pool = *client_.pool;
    if (name == "default") {
        const std::string& secret = pool.options->redis_auth;
        const bool is_right = secret.empty()
                                  ? pool.is_open()
                                  : equal_in_constant_time(digest_of(password), digest_of(secret));
        return is_right ? std::optional<const User*>(nullptr) : std::nullopt;
    }
    // For a name that nobody has, too: how long the answer takes must not tell.
    const PasswordDigest digest = digest_of(password);
    const User* user = pool.find_user(name);
    const bool is_right = user != nullptr && user->has_password(digest);
    return is_right ? std::optional(user) : std::nullopt;
}

void LocalAnswer::auth() {
    if (texts_.size() > 3) {
        error("ERR syntax error");
        return;
    }
    const bool with_user = texts_.size() == 3;
    if (!with_user && client_.pool->options->redis_auth.empty()) {
        error(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?");
        return;
    }
    const auto user = admit(with_user ? texts_[1] : "default", texts_.back());
    if (!user.has_value()) {
        error(wrong_password);
        return;
    }
    client_.user = *user;
    set_authenticated(true);
    reply(resp::ok_response);
}

// Of CLIENT SETNAME, CLIENT SETINFO and HELLO ... SETNAME: what redis says of the name, and a limit
// that redis does not have. Empty: it is one.
std::string name_error(std::string_view what, std::string_view name) {
    if (!std::all_of(
            name.begin(), name.end(), [](char byte) { return byte > ' ' && byte <= '~'; })) {
        return std::string("ERR ").append(what).append(
            " cannot contain spaces, newlines or special characters.");
    }
    if (name.size() <= client_name_size_max) return {};
    return std::string("ERR ringmain: ")
        .append(what)
        .append(" cannot be longer than " + std::to_string(client_name_size_max) +
                " bytes, this one has " + std::to_string(name.size()));
}

constexpr std::string_view client_names = "Client names";

// AUTH and SETNAME of HELLO. False when it was answered with an error; nothing has changed then.
bool LocalAnswer::read_hello_options(HelloOptions& hello) {
    bool authenticated = client_.authenticated;
    hello.user = client_.user;
    for (size_t i = 2; i < texts_.size(); ++i) {
        const size_t more = texts_.size() - i - 1;
        if (ascii::equal_ignoring_case(texts_[i], "auth") && more >= 2) {
            const auto user = admit(texts_[i + 1], texts_[i + 2]);
            if (!user.has_value()) {
                error(wrong_password);
                return false;
            }
            hello.user = *user;
            authenticated = true;
            i += 2;
        } else if (ascii::equal_ignoring_case(texts_[i], "setname") && more >= 1) {
            hello.name = &texts_[i + 1];
            if (const std::string why = name_error(client_names, *hello.name); !why.empty()) {
                error(why);
                return false;
            }
            i += 1;
        } else {
            error("ERR Syntax error in HELLO option '" + texts_[i] + "'");
            return false;
        }
    }
    if (!authenticated) {
        error(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO AUTH <user> <pass> option can be used to authenticate the client and select the "
            "RESP protocol version at the same time");
        return false;
    }
    return true;
}

Taken LocalAnswer::hello() {
    bool resp3 = client_.resp3;
    if (texts_.size() > 1) {
        const std::optional<int64_t> wanted = ascii::parse_int64(texts_[1]);
        if (!wanted.has_value()) {
            error("ERR Protocol version is not an integer or out of range");
            return Taken::Yes;
        }
        if (*wanted != 2 && *wanted != 3) {
            error("NOPROTO unsupported protocol version");
            return Taken::Yes;
        }
        resp3 = *wanted == 3;
    }
    // Requests in the old version are answered first: the new one uses other connections, and a
    // read must not overtake a write.
    if (resp3 != client_.resp3 && !client_.requests.empty()) return Taken::Later;

    HelloOptions options;
    if (!read_hello_options(options)) return Taken::Yes;
    client_.user = options.user;
    set_authenticated(true);
    if (options.name != nullptr) client_.own_names().name = *options.name;
    if (resp3 != client_.resp3) {
        proxy_.leases().stop_watching(client_, "the client changed its protocol version (HELLO)");
    }
    client_.resp3 = resp3;

    std::string text;
    resp::write_map_header(text, 7, version());
    for (const std::string_view word : {std::string_view("server"),
                                        std::string_view("redis"),
                                        std::string_view("version"),
                                        redis_version,
                                        std::string_view("proto")}) {
        resp::write_bulk(text, word);
    }
    resp::write_integer(text, resp3 ? 3 : 2);
    resp::write_bulk(text, "id");
    resp::write_integer(text, static_cast<int64_t>(client_.id));
    for (const std::string_view word : {"mode", "standalone", "role", "master", "modules"}) {
        resp::write_bulk(text, word);
    }
    resp::write_array_header(text, 0);
    reply(text);
    return Taken::Yes;
}

Taken LocalAnswer::select() {
    const std::optional<int64_t> index = ascii::parse_int64(texts_[1]);
    if (!index.has_value()) {
        error("ERR value is not an integer or out of range");
        return Taken::Yes;
    }
    if (*index < INT32_MIN || *index > INT32_MAX) {
        error("ERR value is out of range, value must between -2147483648 and 2147483647");
        return Taken::Yes;
    }
    if (*index < 0) {
        error("ERR DB index is out of range");
        return Taken::Yes;
    }
    const auto database = static_cast<uint32_t>(*index);
    // Other connections serve another database: what was asked before is not to be overtaken.
    const bool moves = database != Leases::database_of(client_);
    if (moves && !client_.requests.empty()) return Taken::Later;
    std::string why;
    if (proxy_.leases().select(client_, database, &why)) {
        reply(resp::ok_response);
    } else if (!why.empty()) {
        const std::string line = error_line(*client_.pool, why);
        proxy_.answer_error(client_, line, false, proxy_.scratch().why_reason);
    }
    return Taken::Yes;
}

Taken LocalAnswer::reset() {
    if ((client_.resp3 || client_.special) && !client_.requests.empty()) return Taken::Later;
    client_.user = nullptr;
    set_authenticated(client_.pool->is_open());
    if (client_.names != nullptr) client_.names->name.clear();
    client_.resp3 = false;
    // Skip is for this very command.
    if (client_.replies != ClientConn::Replies::Skip) client_.replies = ClientConn::Replies::On;
    proxy_.subscriptions().leave(client_);
    proxy_.leases().reset(client_);
    reply("+RESET\r\n");
    return Taken::Yes;
}

void LocalAnswer::time() {
    const int64_t now_us = proxy_.wall().ns / 1000;
    std::string text;
    resp::write_array_header(text, 2);
    resp::write_bulk(text, std::to_string(now_us / 1'000'000));
    resp::write_bulk(text, std::to_string(now_us % 1'000'000));
    reply(text);
}

void LocalAnswer::client_setname() {
    if (const std::string why = name_error(client_names, texts_[2]); !why.empty()) {
        error(why);
        return;
    }
    client_.own_names().name = texts_[2];
    reply(resp::ok_response);
}

void LocalAnswer::client_setinfo() {
    const bool is_library = ascii::equal_ignoring_case(texts_[2], "lib-name");
    if (!is_library && !ascii::equal_ignoring_case(texts_[2], "lib-ver")) {
        error("ERR Unrecognized option '" + texts_[2] + "'");
        return;
    }
    if (const std::string why = name_error(texts_[2], texts_[3]); !why.empty()) {
        error(why);
        return;
    }
    ClientNames& names = client_.own_names();
    (is_library ? names.library : names.library_version) = texts_[3];
    reply(resp::ok_response);
}

void LocalAnswer::client_switch() {
    const bool is_on = ascii::equal_ignoring_case(texts_[2], "on");
    if (!is_on && !ascii::equal_ignoring_case(texts_[2], "off")) {
        error("ERR syntax error");
        return;
    }
    if (command_.id == CommandId::ClientNoEvict) client_.no_evict = is_on;
    reply(resp::ok_response);
}

void LocalAnswer::client_reply() {
    using Replies = ClientConn::Replies;
    if (ascii::equal_ignoring_case(texts_[2], "on")) {
        client_.replies = Replies::On;
        reply(resp::ok_response);
    } else if (ascii::equal_ignoring_case(texts_[2], "off")) {
        client_.replies = Replies::Off;
    } else if (ascii::equal_ignoring_case(texts_[2], "skip")) {
        if (client_.replies != Replies::Off) client_.replies = Replies::SkipNext;
    } else {
        error("ERR syntax error");
    }
}

// Nobody's reads are tracked: CLIENT TRACKING is refused.
void LocalAnswer::client_tracking() {
    std::string text;
    if (command_.id == CommandId::ClientGetredir) {
        resp::write_integer(text, -1);
    } else {
        resp::write_map_header(text, 3, version());
        resp::write_bulk(text, "flags");
        resp::write_set_header(text, 1, version());
        resp::write_bulk(text, "off");
        resp::write_bulk(text, "redirect");
        resp::write_integer(text, -1);
        resp::write_bulk(text, "prefixes");
        resp::write_array_header(text, 0);
    }
    reply(text);
}

void LocalAnswer::client_list() {
    std::string list;
    if (!list_clients(proxy_, client_, request_size_, texts_, list)) {
        error(list);
        return;
    }
    std::string text;
    resp::write_text(text, list, version());
    reply(text);
}

void LocalAnswer::acl() {
    std::string text;
    if (command_.id == CommandId::AclWhoami) {
        resp::write_bulk(text, client_.user == nullptr ? "default" : client_.user->name());
        reply(text);
        return;
    }
    const std::vector<std::string_view> views(texts_.begin(), texts_.end());
    resp::answer_acl_cat(text, views);
    text.starts_with('-') ? proxy_.answer_error(client_, text) : reply(text);
}

void LocalAnswer::command() {
    const std::string_view of_all = resp::answer_of_all(command_, texts_.size(), version());
    if (!of_all.empty()) return reply(of_all);
    const std::vector<std::string_view> views(texts_.begin(), texts_.end());
    std::string text;
    resp::answer_command(text, command_, views, version());
    text.starts_with('-') ? answer_error(text) : reply(text);
}

}  // namespace

Taken answer_locally(Proxy& proxy,
                     ClientConn& client,
                     const Command& command,
                     const Bytes& bytes,
                     std::span<const ByteRange> arguments) {
    // The commonest by far; without copies.
    if (command.id == CommandId::Ping && arguments.size() == 1 && !client.special) {
        proxy.answer(client, "+PONG\r\n");
        return Taken::Yes;
    }
    return LocalAnswer(proxy, client, command, bytes, arguments).give();
}

}  // namespace ringmain::core
