// ringmain/core/notice.h - something that people should read in the log.

#pragma once

#include <string>

namespace ringmain::core {

struct Notice {
    bool good = false;
    std::string text;
};

}  // namespace ringmain::core
