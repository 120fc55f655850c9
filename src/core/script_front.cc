#include "script_front.h"

#include "ringmain/base/ascii.h"
#include "ringmain/base/assert.h"
#include "ringmain/resp/commands.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <string>

namespace ringmain::core {

bool tell_script(Proxy& proxy, ClientConn& client, uint32_t server, std::string_view digest) {
    Pool& pool = *client.pool;
    std::string lower(digest);
    std::ranges::transform(lower, lower.begin(), ascii::lower);
    const Script* script = pool.scripts.find(lower);
    if (script == nullptr) return false;
    std::string_view why;
    ServerConn* conn =
        proxy.usable_connection(pool.server(server), client, script->text.size(), &why);
    if (conn == nullptr) return true;  // the request itself will be told why
    std::vector<bool>& told = conn->scripts_told;
    if (script->number < told.size() && told[script->number]) return true;

    std::string text;
    resp::write_array_header(text, 3);
    resp::write_bulk(text, "SCRIPT");
    resp::write_bulk(text, "LOAD");
    resp::write_bulk(text, script->text);
    if (!proxy.has_room_for(text.size())) return true;
    Request* request = proxy.make_own_request();
    if (request == nullptr) return true;
    request->policy = ResponsePolicy::Script;
    request->command = resp::find_by_full_name("script|load");
    const bool written = conn->out.append_copy(text, nullptr);
    RM_ASSERT(written);
    proxy.enqueue(*conn, request->only);
    if (told.size() <= script->number) told.resize(script->number + 1);
    told[script->number] = true;
    return true;
}

void doubt_scripts(ServerConn& conn, const Request& request, std::string_view answer) {
    RM_DCHECK(request.command != nullptr);
    const bool is_load = request.command->id == CommandId::ScriptLoad;
    if (is_load || answer.starts_with("-NOSCRIPT")) conn.scripts_told.clear();
}

}  // namespace ringmain::core
