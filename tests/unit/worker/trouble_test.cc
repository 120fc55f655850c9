#include "src/worker/trouble.h"

#include "ringmain/config/errors.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include <doctest/doctest.h>

namespace ringmain::worker {

TEST_CASE("whatever the kernel says of a connection, the table of errors explains it") {
    CHECK(describe_loss(ETIMEDOUT) == "does not answer: Connection timed out");
    CHECK(
        describe_loss(EAFNOSUPPORT).starts_with("cannot be reached: this machine has no address"));
    CHECK(describe_loss(EBADF).starts_with("failed: "));
    for (int error = 0; error < 134; ++error) {
        const std::string text = describe_loss(error);
        CAPTURE(text);
        CHECK(std::ranges::any_of(config::error_table(), [&](const config::ErrorRow& row) {
            return row.kind == config::ErrorRow::Kind::Server &&
                   config::fits(row, "-ERR ringmain: server s0 (10.0.0.1:1) " + text);
        }));
    }
    for (const int error : {EMFILE, ENFILE, EADDRNOTAVAIL, ENOMEM}) {
        CHECK(is_local_shortage(error));
        CHECK_FALSE(describe_shortage(error).empty());
    }
}

}  // namespace ringmain::worker
