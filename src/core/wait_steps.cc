// WAIT, which asks every server (core/steps.h).

#include "ringmain/core/leases.h"
#include "ringmain/core/proxy.h"
#include "ringmain/resp/reader.h"
#include "ringmain/resp/writer.h"

#include <algorithm>
#include <optional>

#include "front.h"
#include "gather.h"
#include "step_requests.h"

namespace ringmain::core {

void Leases::wait_everywhere(Request& request) {
    ClientConn& client = *request.client;
    Pool& pool = *client.pool;
    Steps& steps = *client.session->steps;
    steps.phase = Steps::Phase::Wait;
    pool.counters->clients_waiting.add(1);
    const std::string text = wait_text(steps.words[1], steps.words[2]);
    const size_t count = pool.servers.size();
    if (!proxy_->has_room_for(count * (text.size() + block_size))) {
        stop_steps(request, no_memory, stats::Reason::Limit);
        return;
    }
    for (size_t i = 0; i < count; ++i) {
        std::string_view why;
        if (take(*pool.servers[i], client, Need::Steps, &why) == nullptr) {
            stop_steps(request, std::string(why), proxy_->scratch().why_reason);
            return;
        }
    }
    for (size_t i = 0; i < count; ++i) {
        ServerConn& conn = *steps.leases[i];
        conn.write(text);
        conn.waits_for = wait_of(steps.wait_ms);
        conn.answer_by = due_of_wait(conn, proxy_->now());
        proxy_->wake_at(conn.answer_by);
        ask(conn, *request.join->fragments[i], Special::Wait, 1);
    }
}

// The writes have reached as many replicas on every server.
void Leases::on_waited_everywhere(Request& request) {
    int64_t least = INT64_MAX;
    for (Fragment* fragment : request.join->fragments) {
        const std::string text = fragment->response.to_string();
        if (is_error(fragment->response)) {
            answer_steps(request, fragment->response);
            return;
        }
        const std::optional<resp::Value> value = resp::Reader(text).next();
        if (!value.has_value() || value->type != ':') {
            stop_steps(request, misfit, stats::Reason::Other);
            return;
        }
        least = std::min(least, value->number);
    }
    std::string line;
    resp::write_integer(line, least);
    if (!request.response.append_copy(line, &proxy_->kept_)) proxy_->give_up(*request.client);
    end_steps(request);
}

}  // namespace ringmain::core
