#include "tests/sim/faults.h"

#include "tests/sim/answers.h"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ringmain::sim {

namespace {

struct Text {
    std::string_view begin;
    uint32_t faults;
};

// Behind "server s1 (10.0.0.1:7001) ".
constexpr Text of_server[] = {
    {"refused the connection", Refuse},
    {"reset the connection", Reset},
    {"closed the connection", Close},
    // Of two that go in the batch of a reload, keys of the one may pass by the other.
    {"is ejected: ", Any | Moved},
    {"is not configured any more", Moved},
    {"has new connections after a reload (server_connections or redis_db)", Moved},
    {"has new connections after a reload (its user or password)", Moved},
    {"is loading its data (eject_on_loading)", Loading},
    {"did not answer a new connection within ", Slow | Vanish},
    {"answered a probe with '", Loading | WrongShape},
    {"did not accept the connection within ", Vanish | Slow},
    {"accepted the connection but did not answer within ", Vanish | Slow},
    {"did not answer within ", Slow | Vanish | LeavesOut},
    {"has not answered when the command's time was up", Slow | Vanish | LeavesOut},
    {"has not answered for ", Slow | Vanish | LeavesOut},
    {"has been giving an answer for ", Slow | Vanish},
    {"has taken no more of a request for ", Slow | Vanish},
    {"has sent less than 1024 bytes of a response for ", Slow | Vanish},
    {"has answered nothing for ", Slow | Vanish | LeavesOut},
    {"does not keep up: ", Slow | Vanish | Scarce | Narrow},
    {"has no room for ", Slow | Vanish | Scarce | Narrow},
    {"sent a malformed response: ", Malformed},
    // A refusal, behind which it closed before it had the rest of the request.
    {"sent bytes that nobody asked for: \"S", Loading | Unasked | Malformed | Push},
    {"sent bytes that nobody asked for", Unasked | Malformed | Push | Old},
    {"sent a response that does not fit the request",
     WrongKey | WrongShape | Malformed | LeavesOut},
    {"sent a value for a key that was not asked for", WrongKey | Malformed | LeavesOut},
    {"sent a push message that nobody subscribed to", Push},
    {"did not confirm the subscription within ", Any | Remade},
    {"has not answered on its subscription connection for ", Slow | Vanish},
    {"sent what nobody asked for on a subscription connection", Unasked | Malformed | Push},
    {"sent a malformed message: ", Malformed | Push},
    {"refused the password (redis_auth): ", WrongPassword | Loading},
    {"refused RESP3 (HELLO 3); ", NoResp3 | Loading},
    {"refused the database (redis_db = ", Loading},
    {"refuses transactions: ", Loading},
    {"does not choose database ", Loading},
    {"refuses EVAL of ", Loading},
    {"refuses SISMEMBER, which SMOVE ", Loading},
    {"refuses EXISTS, which SMOVE ", Loading},
    {"refuses SREM, which SMOVE ", Loading},
    {"refuses UNLINK, which RENAME", Loading},
    {"cannot be greeted: buffer memory is exhausted", Scarce},
    {"sent a greeting for which buffer memory is exhausted", Scarce},
    {"runs memcached 1.6.9, ", Old},
    {"refuses the command and may run its data", Old},
};

// Behind "-ERR ringmain: ".
constexpr Text of_proxy[] = {
    {"out of buffer memory", Scarce},
    {"clients of this worker use ", Narrow},
    {"clients of this worker hold ", Narrow},
    {"every server of pool '", AllOut},
    {"no server is there to subscribe at", AllOut},
    {"its server did not confirm the subscription within ", Any | Moved},
    {"the response does not fit into buffer memory", Scarce},
    {"servers came or went since its first command", Moved},
    {"servers came or went meanwhile; try again", Moved},
    {"a command that waits on its server was ended: a key of it may live on another", Moved},
    {"a key of it may live on another server now", Moved},  // and what was watched there is lost
    {"the servers' answers do not fit the request", WrongShape | LeavesOut},
    {"the connection that watched the source is lost", Any | Moved},
    {"another client removed or renamed the source meanwhile", Contended},
    {"another client changed the source meanwhile", Contended},
    {"other clients changed the source ", Contended},
    {"the servers' responses to the parts do not fit the request",
     WrongKey | WrongShape | LeavesOut},
};

constexpr Text of_servers_themselves[] = {
    {"-LOADING ", Loading},
    {"-EXECABORT Transaction discarded because of: LOADING ", Loading},
    {"-EXECABORT Transaction discarded because of previous errors.", Any | Moved},
    // A key moved since it was watched, or since the first command.
    {"-CROSSSLOT ringmain: the keys of this transaction live", Moved},
    {"-CROSSSLOT ringmain: the watched keys and this transaction's live", Moved},
    {"SERVER_ERROR out of memory storing object", Loading},
    {"CLIENT_ERROR invalid flag", Old},
};

uint32_t find(std::span<const Text> texts, std::string_view text) {
    for (const Text& one : texts) {
        if (text.starts_with(one.begin)) return one.faults;
    }
    return 0;
}

}  // namespace

bool is_error(std::string_view answer) {
    return answer.starts_with("-") || answer.starts_with("SERVER_ERROR") ||
           answer.starts_with("CLIENT_ERROR") || answer.starts_with("ERROR");
}

uint32_t faults_behind(std::string_view answer, int32_t* server) {
    *server = -1;
    std::string_view text = answer;
    bool own = false;
    for (const std::string_view prefix : {"-ERR ringmain: the transaction is lost: ",
                                          "-ERR ringmain: keys that were watched before are lost: ",
                                          "-EXECABORT ringmain: transaction discarded: ",
                                          "-ERR ringmain: ",
                                          "SERVER_ERROR ringmain: "}) {
        if (!own && text.starts_with(prefix)) {
            text.remove_prefix(prefix.size());
            own = true;
        }
    }
    if (!own) return find(of_servers_themselves, text);
    constexpr std::string_view title = "server s";
    if (!text.starts_with(title)) return find(of_proxy, text);
    const size_t blank = text.find(' ', title.size());
    const size_t end = text.find(") ", title.size());
    if (end == std::string_view::npos) return 0;
    const auto number = number_in(text.substr(title.size(), blank - title.size()));
    if (!number.has_value()) return 0;
    *server = static_cast<int32_t>(*number);
    return find(of_server, text.substr(end + 2));
}

}  // namespace ringmain::sim
