#include "script_front.h"

#include "ringmain/base/ascii.h"
#include "ringmain/resp/commands.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace ringmain::core {

ScriptId find_script(Pool& pool, std::string_view digest) {
    if (digest.size() != digest_size) return {};
    std::string lower(digest);
    std::ranges::transform(lower, lower.begin(), ascii::lower);
    return pool.scripts.find(lower);
}

ScriptId keep_script(
    Proxy& proxy, Pool& pool, const Bytes& bytes, ByteRange range, ChainPlace& place) {
    if (range.size > run_script_size_max) return {};
    const std::string_view text = bytes.view(range, proxy.scratch().text, place);
    return pool.scripts.keep_run(text, proxy.key_check_hash(text));
}

namespace {

bool has_told(const ServerConn& conn, ScriptId script) {
    const std::vector<uint64_t>& told = conn.scripts_told;
    return script.is_one() && script.place < told.size() && told[script.place] == script.number;
}

}  // namespace

void forget_told(const Server& server, ScriptId script) {
    for (const auto& conn : server.connections()) {
        if (has_told(*conn, script)) conn->scripts_told[script.place] = 0;
    }
}

void tell_script(Proxy& proxy, ServerConn& conn, ScriptId script, uint64_t behind) {
    if (has_told(conn, script)) return;

    const std::optional<std::string> body = conn.server->pool().scripts.all().text(script);
    if (!body.has_value()) return;
    std::string text;
    resp::write_request(text, {"SCRIPT", "LOAD", *body});
    if (!proxy.has_room_for(text.size() + behind)) return;
    Request* request = proxy.make_own_request();
    if (request == nullptr) return;
    request->policy = ResponsePolicy::Script;
    request->command = resp::find_by_full_name("script|load");
    request->extra = script.pack();
    conn.write(text);
    proxy.enqueue(conn, request->only);
    std::vector<uint64_t>& told = conn.scripts_told;
    if (told.size() <= script.place) told.resize(script.place + 1);
    told[script.place] = script.number;
}

void doubt_scripts(ServerConn& conn, const Request& request, std::string_view answer) {
    RM_DCHECK(request.command != nullptr);
    const bool is_load = request.command->id == CommandId::ScriptLoad;
    if (is_load || answer.starts_with("-NOSCRIPT")) conn.scripts_told.clear();
    if (request.command->id != CommandId::Eval && !is_load) return;
    // As redis 7.0 says it, behind the sign and the code.
    constexpr size_t code_size = 5;
    constexpr std::array refusals = {std::string_view("Error compiling script"),
                                     std::string_view("Invalid script shebang"),
                                     std::string_view("Unknown lua shebang option"),
                                     std::string_view("Unexpected engine in script shebang"),
                                     std::string_view("Unexpected flag in script shebang")};
    const bool is_none = std::ranges::any_of(refusals, [&](std::string_view refusal) {
        return answer.substr(std::min(code_size, answer.size())).starts_with(refusal);
    });
    if (is_none) conn.server->pool().scripts.all().drop(ScriptId::unpack(request.extra));
}

// What somebody has written into a value that says so costs no more than a script told again.
void doubt_scripts(ServerConn& conn, const resp::ResponseFrame& frame, const Bytes& answers) {
    constexpr uint32_t looked_at_max = 64 * 1024;
    if (answers.size() < frame.size) conn.scripts_told.clear();  // nobody waits for them
    std::string scratch;
    const std::string_view text =
        answers.view({0, std::min(answers.size(), looked_at_max)}, scratch);
    if (text.find("\n-NOSCRIPT") != std::string_view::npos) conn.scripts_told.clear();
}

}  // namespace ringmain::core
