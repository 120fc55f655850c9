// One work, so many rounds; for instruments that count instructions (perf/instructions.py).
//
// usage: replay --list | WORK ROUNDS

#include "perf/micro/works.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>

int main(int count, char** arguments) {
    using ringmain::perf::Work;
    const std::vector<Work>& all = ringmain::perf::works();
    if (count == 2 && std::string_view(arguments[1]) == "--list") {
        for (const Work& work : all) {
            std::printf("%zu\t%s\n", work.depth, work.name.c_str());
        }
        return 0;
    }
    const auto found = count != 3 ? all.end() : std::find_if(all.begin(), all.end(), [&](auto& w) {
        return w.name == arguments[1];
    });
    if (found == all.end()) {
        std::fputs("usage: replay --list | WORK ROUNDS\n", stderr);
        return 2;
    }
    const auto replay = found->replay();
    for (long rounds = std::strtol(arguments[2], nullptr, 10); rounds > 0; --rounds) {
        replay->round(found->requests);
    }
    return 0;
}
