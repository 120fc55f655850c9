#include "ringmain/uring/descriptor.h"

#include <unistd.h>

namespace ringmain::uring {

void Descriptor::close() {
    // Never again on EINTR: Linux has freed the number by then.
    if (number_ >= 0) ::close(release());
}

}  // namespace ringmain::uring
