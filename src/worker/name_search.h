// src/worker/name_search.h - the addresses of several names, while who wants them goes on.
//
// The resolver's threads look up; the answers come to the inbox, whose descriptor is polled. One
// search at a time.

#pragma once

#include "ringmain/base/result.h"
#include "ringmain/base/time.h"
#include "ringmain/uring/socket_address.h"
#include "ringmain/worker/inbox.h"
#include "ringmain/worker/resolver.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace ringmain::worker {

// By name, where the system says that it is.
using NamedAddresses = std::map<std::string, uring::SocketAddress>;

class NameSearch {
  public:
    // As long as the system's resolver asks one server that does not answer.
    static constexpr Duration limit = Duration::millis(10'000);

    struct Question {
        std::string asker;  // for messages: "pool 'alpha'"
        std::string host;
        uint16_t port = 0;
    };

    // The inbox outlives the resolver, and nobody else's messages come to it.
    NameSearch(Resolver& resolver, Inbox& inbox) : resolver_(&resolver), inbox_(&inbox) {}

    // Forgets the last one.
    void begin(std::vector<Question> questions, Instant now);

    [[nodiscard]] int descriptor() const { return inbox_->descriptor(); }

    // The answers that have come; those of an earlier search are thrown away.
    void take();

    [[nodiscard]] Instant deadline() const { return deadline_; }

    // All is known, a name has no address, or the time is up.
    [[nodiscard]] bool has_ended(Instant now) const;

    // When it has ended.
    [[nodiscard]] Result<NamedAddresses> result() const;

  private:
    void fail(const Question& question, const std::string& why);

    Resolver* resolver_;
    Inbox* inbox_;
    uint64_t number_ = 0;  // of the search, which a ticket has in its upper half
    std::vector<Question> questions_;
    NamedAddresses found_;
    std::string error_;
    Instant deadline_;
};

}  // namespace ringmain::worker
